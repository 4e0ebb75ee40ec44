"""The rules of the house, held by reading the code: who imports whom, who does I/O, sizes, mirror."""

from __future__ import annotations

import ast
import functools
import gc
import io
import re
import sys
import tokenize
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MODULES = sorted((ROOT / "tgtd").rglob("*.py"))
EVERYTHING = sorted(path for place in ("tgtd", "tests", "man", "bench") for path in (ROOT / place).rglob("*.py"))

# Who imports whom

ALLOWED: dict[str, set[str | None]] = {
    "scsi": {"scsi"},
    "config": {"config"},
    "media": {"media", "scsi"},
    "net": {"net", "scsi"},
    "hw": {"hw", "scsi"},
    "cli": {"cli", "config", "hw", "media"},
    "crew": {"crew", "config", "media", "net", "scsi", None},
}
"""What a room may import of tgtd. The files directly under tgtd/ wire rooms together."""

# Who may do I/O

MAY_DO_IO = {
    "tgtd.cli.client": "the control socket, from its other end",
    "tgtd.config.crosscheck": "whether two paths lead to one file",
    "tgtd.config.layers": "finds and reads the configuration",
    "tgtd.config.load": "whether a file has changed",
    "tgtd.config.schema": "reads the schemas, which are part of the package",
    "tgtd.config.watch": "inotify",
    "tgtd.control": "the control socket",
    "tgtd.crew.channel": "the socket between main process and worker",
    "tgtd.crew.process": "starts and kills workers",
    "tgtd.crew.worker": "signals; the socket to the main process",
    "tgtd.daemon": "state and run directories",
    "tgtd.demo": "writes the demo's files",
    "tgtd.encrypting": "headers of encrypted disks",
    "tgtd.folder": "small files in the state directory, replaced as a whole",
    "tgtd.hw.configfs.tree": "the kernel's target configuration",
    "tgtd.hw.fabrics.host": "what sysfs says of this machine's ports",
    "tgtd.hw.tcmu.uio": "UIO devices, shared memory",
    "tgtd.identity": "the installation's id in the state directory",
    "tgtd.iouring": "io_uring",
    "tgtd.ledger": "reservations in the state directory",
    "tgtd.log": "journald or stderr",
    "tgtd.loop": "epoll, signals, eventfd",
    "tgtd.media.block": "block devices",
    "tgtd.media.descriptor": "reads and writes of files and block devices",
    "tgtd.media.cartridge.cartridge": "cartridges",
    "tgtd.media.cartridge.images": "images of tapes",
    "tgtd.media.cartridge.label": "cartridges",
    "tgtd.media.cartridge.mhvtl": "images of tapes",
    "tgtd.media.cartridge.simh": "images of tapes",
    "tgtd.media.cartridge.space": "cartridges",
    "tgtd.media.cartridge.survey": "cartridges",
    "tgtd.media.fiemap": "where files have space",
    "tgtd.media.file": "files",
    "tgtd.media.library": "directories of cartridges",
    "tgtd.media.regular": "locks of files",
    "tgtd.media.scsi": "SCSI devices of the host",
    "tgtd.media.taking": "copies between files",
    "tgtd.net.iscsi.connection": "sockets",
    "tgtd.net.iscsi.portal": "listening sockets",
    "tgtd.premises": "state and run directories, their locks",
    "tgtd.notify": "the service manager's socket",
}
"""Every module that touches the world outside the process, and what of it. A room that is not named here is pure."""

IO_MODULES = {
    "asyncio",
    "ctypes",
    "fcntl",
    "fileinput",
    "glob",
    "http",
    "multiprocessing",
    "select",
    "selectors",
    "shutil",
    "signal",
    "socket",
    "socketserver",
    "sqlite3",
    "ssl",
    "subprocess",
    "systemd",
    "tempfile",
    "termios",
    "urllib",
    "watchdog",
}
PURE_OS = {
    "PathLike",
    "environ",
    "fsdecode",
    "fsencode",
    "fspath",
    "getegid",
    "geteuid",
    "getgid",
    "getpid",
    "getuid",
    "path",
    "strerror",
    "sysconf",
    "urandom",
}
PURE_OS_PATH = {
    "abspath",
    "basename",
    "commonpath",
    "dirname",
    "isabs",
    "join",
    "normpath",
    "relpath",
    "split",
    "splitext",
}
PATH_METHODS = {
    "chmod",
    "exists",
    "expanduser",
    "glob",
    "is_block_device",
    "is_dir",
    "is_file",
    "is_socket",
    "is_symlink",
    "iterdir",
    "lstat",
    "mkdir",
    "read_bytes",
    "read_text",
    "readlink",
    "resolve",
    "rglob",
    "rmdir",
    "stat",
    "symlink_to",
    "touch",
    "unlink",
    "write_bytes",
    "write_text",
}

# Mirror

NO_TEST_OF_ITS_OWN = {
    "tgtd.config.model": "data only",
    "tgtd.net.iscsi.loops": "protocols only",
    "tgtd.scsi.medium": "protocols only",
}

MOST_LINES = 500
MOST_FUNCTION_LINES = 60


@pytest.fixture(autouse=True, scope="module")
def _trees() -> Iterator[None]:
    """Millions of nodes that live until the last test here: a garbage collector that looks at them again and again
    takes longer than all else, in later tests too."""
    gc.disable()
    yield
    tree.cache_clear()
    nodes.cache_clear()
    gc.enable()


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@functools.cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


@functools.cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """All of a module, as many tests walk through it."""
    return tuple(ast.walk(tree(path)))


@functools.cache
def room_of(module: str) -> str | None:
    """The room a module lies in; None for what lies directly under tgtd/."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and (ROOT / "tgtd" / parts[1]).is_dir() else None


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """(line, module) of each import, wherever it stands; `from tgtd import net` counts as tgtd.net."""
    for node in nodes(path):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: relative import"
            module = node.module or ""
            if module == "tgtd":
                for alias in node.names:
                    yield node.lineno, f"tgtd.{alias.name}"
            else:
                yield node.lineno, module


def wrong_imports(path: Path) -> Iterator[str]:
    room = room_of(name_of(path))
    for line, module in imports(path):
        if module.split(".")[0] != "tgtd":
            if room == "scsi" and module.split(".")[0] not in sys.stdlib_module_names | {"__future__"}:
                yield f"{path.relative_to(ROOT)}:{line}: scsi needs nothing but the standard library, not {module}"
            continue
        if room in ALLOWED and module not in ("tgtd.__version__",) and room_of(module) not in ALLOWED[room]:
            yield f"{path.relative_to(ROOT)}:{line}: {room} may not import {module}"


def dotted(node: ast.expr) -> str | None:
    """os.path.join as text; None when it is not a plain chain of names."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        before = dotted(node.value)
        return None if before is None else f"{before}.{node.attr}"
    return None


def os_io(name: str) -> bool:
    """Whether this attribute of os does I/O. Constants are no I/O; SEEK_HOLE and its like come with a call that is."""
    first, _, rest = name.partition(".")
    if first == "path":
        return rest.partition(".")[0] not in PURE_OS_PATH
    return (
        first not in PURE_OS and not first.isupper() and not first.startswith(("O_", "SEEK_", "EX_", "WIF", "SCHED_"))
    )


def lines_for_typing(path: Path) -> set[int]:
    """The lines below `if TYPE_CHECKING:`: names for annotations, with which nothing can be done."""
    return {
        line
        for node in nodes(path)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for statement in node.body
        for line in range(statement.lineno, (statement.end_lineno or statement.lineno) + 1)
    }


def io_done(path: Path) -> Iterator[str]:
    """What a module does to the world outside, as "line: what"."""
    typing_only = lines_for_typing(path)
    for line, module in imports(path):
        if module.split(".")[0] in IO_MODULES and line not in typing_only:
            yield f"{line}: import {module}"
    for node in nodes(path):
        if isinstance(node, ast.ImportFrom) and node.module in ("os", "os.path"):
            prefix = "path." if node.module == "os.path" else ""
            for alias in node.names:
                if os_io(prefix + alias.name):
                    yield f"{node.lineno}: from {node.module} import {alias.name}"
        elif isinstance(node, ast.Attribute):
            name = dotted(node) or ""
            if name.startswith("os.") and name != "os.path" and os_io(name[3:]):
                yield f"{node.lineno}: {name}"
        elif isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id == "open":
                yield f"{node.lineno}: open()"
            elif isinstance(node.func, ast.Attribute) and node.func.attr in PATH_METHODS:
                yield f"{node.lineno}: .{node.func.attr}()"


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in nodes(path):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def has_code(path: Path) -> bool:
    """A module with at least one function that does something: protocols and data have none."""
    return any(
        not all(isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant) for line in function.body)
        for function in functions(path)
    )


def none(found: Iterable[str]) -> None:
    """Fail and name every one, however many there are."""
    lines = sorted(found)
    assert not lines, "\n" + "\n".join(lines)


def test_rooms_import_only_what_they_may() -> None:
    none(wrong for path in MODULES for wrong in wrong_imports(path))


def test_every_room_has_its_rule() -> None:
    rooms = {path.name for path in (ROOT / "tgtd").iterdir() if (path / "__init__.py").exists()}
    assert rooms <= set(ALLOWED)


def own_private_names(path: Path) -> set[str]:
    """What the classes and functions of a module call their own: attributes of self and cls, slots, methods."""
    found: set[str] = set()
    for node in nodes(path):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"):
            found.add(node.attr)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            found.add(node.value)
        elif isinstance(node, ast.FunctionDef):
            found.add(node.name)
    return found


def strangers_privates(path: Path) -> Iterator[str]:
    """Private attributes that are read of something another module has made; the standard library's are its affair."""
    foreign = {module.split(".")[0] for _, module in imports(path)} - {"tgtd"}
    own = own_private_names(path)
    for node in nodes(path):
        if not isinstance(node, ast.Attribute) or not re.match(r"_[a-z]", node.attr) or node.attr in own:
            continue
        if (dotted(node) or "").split(".")[0] not in foreign:
            yield f"{path.relative_to(path.parents[-2])}:{node.lineno}: .{node.attr}"


def test_private_names_stay_in_their_module() -> None:
    none(found for path in MODULES for found in strangers_privates(path))


def test_a_strangers_private_name_would_be_found(tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text("class A:\n    def f(self, other):\n        return self._a + other._a + other._b\n")
    assert [found.rpartition(" ")[2] for found in strangers_privates(tmp_path / "x.py")] == ["._b"]


def test_who_does_io() -> None:
    """Both ways: nobody else does, and no line of the list is stale."""
    done = {name_of(path): found for path in MODULES if (found := list(io_done(path)))}
    none(f"{name}: {done[name]}" for name in done.keys() - MAY_DO_IO.keys())
    none(MAY_DO_IO.keys() - done.keys())


def test_grammar_may_not_be_put_on_the_list() -> None:
    none(name for name in MAY_DO_IO if room_of(name) == "scsi")


@pytest.mark.parametrize(
    "text",
    [
        "import socket",
        "from subprocess import run",
        "import os\nos.preadv(3, [], 0)",
        "from os import pread",
        "import os.path\nos.path.exists('x')",
        "from pathlib import Path\nPath('x').read_text()",
        "open('x')",
    ],
)
def test_io_would_be_found(text: str, tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text(text)
    assert list(io_done(tmp_path / "x.py"))


@pytest.mark.parametrize(
    "text",
    [
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import socket",
        "import os\nos.fsencode('x')",
        "import os\nos.path.join('a', 'b')",
        "from os import sysconf",
    ],
)
def test_pure_use_of_os_is_no_io(text: str, tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text(text)
    assert list(io_done(tmp_path / "x.py")) == []


def test_mirror() -> None:
    """tgtd/a/b.py is tested by tests/a/test_b.py, tgtd/a/__init__.py by tests/a/test_init.py."""
    missing = []
    for path in MODULES:
        relative = path.relative_to(ROOT / "tgtd")
        expected = ROOT / "tests" / relative.parent / f"test_{relative.stem.strip('_')}.py"
        if has_code(path) and name_of(path) not in NO_TEST_OF_ITS_OWN and not expected.exists():
            missing.append(str(expected.relative_to(ROOT)))
    none(missing)


def test_exceptions_from_the_mirror_are_needed() -> None:
    known = {name_of(path) for path in MODULES}
    none(NO_TEST_OF_ITS_OWN.keys() - known)


def test_files_are_short() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in EVERYTHING}
    none(f"{name}: {lines} lines" for name, lines in lengths.items() if lines > MOST_LINES)


def test_functions_are_short() -> None:
    long = [
        f"{path.relative_to(ROOT)}:{function.lineno}: {function.name}: {lines} lines"
        for path in EVERYTHING
        for function in functions(path)
        if (lines := (function.end_lineno or 0) - function.lineno + 1) > MOST_FUNCTION_LINES
    ]
    none(long)


def test_modules_say_what_they_are() -> None:
    """But for tests, which say it by their names."""
    mine = [path for path in EVERYTHING if not path.is_relative_to(ROOT / "tests")]
    silent = [path for path in mine if tree(path).body and not ast.get_docstring(tree(path))]
    none(str(path.relative_to(ROOT)) for path in silent)


def classes() -> Iterator[tuple[str, Path, set[str]]]:
    """(name, where, the last words of what it inherits from) of those at the top of the house's modules, and of types
    that have a name (Work = Callable[...])."""
    for path in MODULES:
        for node in tree(path).body:
            if isinstance(node, ast.ClassDef):
                bases = {(dotted(base) or "").split(".")[-1] for base in node.bases}
                yield node.name, path, bases
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                name = node.targets[0].id
                if re.match(r"[A-Z]\w*[a-z]", name) and isinstance(node.value, ast.Subscript | ast.BinOp):
                    yield name, path, set()


def test_a_name_means_one_thing() -> None:
    """But for a contract and who keeps it, for a wish (config/model.py) and what comes of it, and for heirs of their
    namesakes."""
    seen: dict[str, list[str]] = {}
    for name, path, bases in classes():
        if "Protocol" not in bases and name not in bases and name_of(path) != "tgtd.config.model":
            seen.setdefault(name, []).append(name_of(path))
    none(f"{name}: {', '.join(where)}" for name, where in seen.items() if len(where) > 1)


def test_no_notes_of_unfinished_work() -> None:
    words = ("TO_DO", "FIX_ME", "XX_X", "HA_CK")
    note = re.compile(r"\b(" + "|".join(words).replace("_", "") + r")\b")
    found = [
        f"{path.relative_to(ROOT)}:{token.start[0]}: {token.string.strip()[:60]}"
        for path in EVERYTHING
        if note.search(text := path.read_text())
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type in (tokenize.COMMENT, tokenize.STRING) and note.search(token.string)
    ]
    none(found)


def test_no_stubs() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in MODULES
        for node in nodes(path)
        if isinstance(node, ast.Raise) and node.exc is not None and "NotImplementedError" in ast.dump(node.exc)
    ]
    none(found)


def test_nothing_global_changes() -> None:
    """No `global`, and what holds many values at module level is named as a constant."""
    found = []
    for path in MODULES:
        where = path.relative_to(ROOT)
        found += [f"{where}:{node.lineno}: global" for node in nodes(path) if isinstance(node, ast.Global)]
        for node in tree(path).body:
            if not isinstance(node, ast.Assign | ast.AnnAssign) or not holds_many(node.value):
                continue
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = [target.id for target in targets if isinstance(target, ast.Name)]
            found += [f"{where}:{node.lineno}: {name}" for name in names if not name.isupper() and name != "__all__"]
    none(found)


def holds_many(value: ast.expr | None) -> bool:
    if isinstance(value, ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp):
        return True
    makers = ("list", "dict", "set", "bytearray", "deque", "defaultdict")
    return isinstance(value, ast.Call) and (dotted(value.func) or "").split(".")[-1] in makers
