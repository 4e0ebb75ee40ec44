from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.config.tree import HEAD, LUN, NAME, Tree, said
from tgtd.config import load as module
from tgtd.config.layers import Layers
from tgtd.config.load import ConfigErrors, Loader, Problem, load


def _many(tree: Tree, count: int) -> None:
    for index in range(count):
        tree.write(HEAD.replace("disks", f"t{index}") + LUN, f"targets.d/{index:03}.toml")


def _age(tree: Tree) -> None:
    """Make all files old enough to be trusted by their times alone."""
    old = time.time() - 3600
    for path in tree.root.rglob("*.toml"):
        os.utime(path, (old, old))


def test_nothing_at_all(tmp_path: Path) -> None:
    config = load(Layers.single(tmp_path / "nothing"))
    assert (config.targets, config.files, config.warnings) == ({}, (), ())


@pytest.mark.parametrize("gone", [".", "targets.d"])
def test_a_directory_that_vanishes_is_no_wish_for_nothing(tree: Tree, gone: str) -> None:
    tree.write(HEAD)
    loader = tree.loader()
    before = loader.load()
    directory = tree.root / gone
    away = tree.root.parent / "away"
    directory.rename(away)
    with pytest.raises(ConfigErrors, match="the directory is not there any more; put it back") as refused:
        loader.load()
    assert [problem.file for problem in refused.value.problems] == [str(directory)]
    away.rename(directory)
    assert loader.load() == before
    (tree.root / "targets.d/a.toml").unlink()
    assert loader.load().targets == {}


def test_files_are_named(tree: Tree) -> None:
    tree.write("stop_timeout = 1\n", "tgtd.toml")
    tree.write(HEAD)
    assert tree.load().files == (f"{tree.root}/tgtd.toml", f"{tree.root}/targets.d/a.toml")


def test_layers_and_masks(tmp_path: Path) -> None:
    vendor, admin, runtime = (Tree(tmp_path / name) for name in ("usr", "etc", "run"))
    for name in "abcd":
        vendor.write(HEAD.replace("disks", f"vendor-{name}"), f"targets.d/{name}.toml")
    admin.write(HEAD.replace("disks", "admin-b"), "targets.d/b.toml")
    admin.write("", "targets.d/c.toml")
    (runtime.root / "targets.d/d.toml").symlink_to("/dev/null")
    config = load(Layers((vendor.root, admin.root, runtime.root)))
    assert sorted(name.partition(":")[2] for name in config.targets) == ["admin-b", "vendor-a"]
    assert f"{vendor.root}/targets.d/b.toml" in config.files


def test_all_errors_of_all_files(tree: Tree) -> None:
    tree.write("x = \n", "targets.d/b.toml")
    tree.write("[lgo]\n", "tgtd.toml")
    (tree.root / "targets.d/c.toml").symlink_to("nowhere")
    lines = tree.complaints(HEAD + LUN + "thick = true\n")
    assert [line.partition(": ")[0] for line in lines] == ["a.toml:8:1", "b.toml:1:5", "c.toml", "tgtd.toml:1:2"]


def test_one_edit_parses_one_file(tree: Tree) -> None:
    _many(tree, 50)
    _age(tree)
    loader = tree.loader()
    before = loader.load()
    assert loader.parses == 50
    assert loader.load() == before
    assert loader.parses == 50
    tree.write(HEAD.replace("disks", "t7") + LUN + "read_only = true\n", "targets.d/007.toml")
    after = loader.load()
    assert loader.parses == 51
    same = [name for name in before.targets if after.targets[name] is before.targets[name]]
    assert len(same) == 49
    assert after.targets["iqn.2026-11.com.example:t7"].luns[1].read_only


def test_trusted_files_are_not_even_read(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    _many(tree, 3)
    loader = tree.loader()
    monkeypatch.setattr(module, "_SETTLED_NS", -(10**18))
    loader.load()
    monkeypatch.setattr(module, "read", None)  # calling it would raise
    loader.load()
    assert loader.parses == 3


def test_a_fresh_file_is_read_again(tree: Tree) -> None:
    """Two writes within one tick of the file system's clock may leave the same times and size."""
    path = tree.write(HEAD + LUN)
    loader = tree.loader()
    loader.load()
    status = path.stat()
    path.write_text((HEAD + LUN).replace("number = 1", "number = 2"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert list(loader.load().targets[NAME].luns) == [2]


def test_a_touched_file_is_not_parsed_again(tree: Tree) -> None:
    path = tree.write(HEAD)
    loader = tree.loader()
    before = loader.load()
    path.touch()
    assert loader.load().targets[NAME] is before.targets[NAME]
    assert loader.parses == 1


def test_a_mode_counts_where_a_secret_stands_inline(tree: Tree) -> None:
    access = 'chap = [{ user = "u", secret = "long enough it is" }]'
    path = tree.write(HEAD.replace("anyone = true", access), mode=0o600)
    loader = tree.loader()
    assert said(loader, tree.root) == []
    path.chmod(0o644)
    assert len(said(loader, tree.root)) == 1
    path.chmod(0o600)
    assert said(loader, tree.root) == []


def test_secrets_are_looked_at_every_time(tree: Tree) -> None:
    secret = tree.write("a secret of sixteen", "secret", 0o600)
    tree.write(HEAD.replace("anyone = true", f'chap = [{{ user = "u", secret = {{ file = "{secret}" }} }}]'))
    loader = tree.loader()
    loader.load()
    _age(tree)
    secret.write_text("another of eighteen")
    (user,) = loader.load().targets[NAME].access.chap.incoming
    assert user.secret.value == b"another of eighteen"
    secret.chmod(0o644)
    with pytest.raises(ConfigErrors, match="can be read by everybody"):
        loader.load()


def test_a_file_that_goes_is_forgotten(tree: Tree) -> None:
    path = tree.write(HEAD)
    loader = tree.loader()
    loader.load()
    path.unlink()
    assert loader.load().targets == {}
    assert loader.documents() == ()


def test_broken_then_mended(tree: Tree) -> None:
    loader = tree.loader()
    for text, lines in ((HEAD, 0), (HEAD + "x\n", 1), (HEAD + "x\n", 1), (HEAD, 0)):
        tree.write(text)
        assert len(said(loader, tree.root)) == lines


_WORDS = ["[[target]]", "[target.access]", "[[target.lun]]", "[[target.map]]", "[target.iscsi]", "[target]"]
_LINES = st.one_of(
    st.sampled_from(_WORDS),
    st.tuples(
        st.sampled_from(
            [
                "name",
                "number",
                "medium",
                "portals",
                "anyone",
                "initiators",
                "addresses",
                "chap",
                "chap_mutual",
                "luns",
                "serial",
                "wwid",
                "size",
                "redirect",
                "online",
                "max_burst_length",
                "block_size",
                "map",
                "lun",
                "access",
            ]
        ),
        st.sampled_from(
            [
                "1",
                "true",
                '"x"',
                '"iqn.2026-11.com.example:x"',
                "[]",
                "{}",
                "[1]",
                '["10.0.0.1"]',
                "1.5",
                "nan",
                '{ type = "file" }',
                '{ type = "ram", size = "1 GiB" }',
                "[{ lun = 1 }]",
                "1979-05-27",
                '"\\u0000"',
                '{ user = "a", secret = "b" }',
                '[{ user = "a", secret = { file = "/x" } }]',
                '["[::"]',
                "[[[]]]",
                "[{}]",
            ]
        ),
    ).map(" = ".join),
    st.text(max_size=10),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(_LINES, max_size=12).map("\n".join))
def test_any_text_loads_or_is_told_about(tree: Tree, text: str) -> None:
    (tree.root / "targets.d/a.toml").write_bytes(text.encode())
    (tree.root / "tgtd.toml").write_bytes(text.encode())
    problems: tuple[Problem, ...] = ()
    try:
        tree.loader(secrets=False).load()
    except ConfigErrors as errors:
        problems = errors.problems
    assert all(problem.line >= 1 and problem.fix for problem in problems)


def test_a_loader_of_its_own_environment(tree: Tree, tmp_path: Path) -> None:
    (tmp_path / "name").write_text("a secret of sixteen")
    (tmp_path / "name").chmod(0o600)
    tree.write(HEAD.replace("anyone = true", 'chap = [{ user = "u", secret = { credential = "name" } }]'))
    loader = Loader(Layers.single(tree.root), environment={"CREDENTIALS_DIRECTORY": str(tmp_path)})
    (user,) = loader.load().targets[NAME].access.chap.incoming
    assert user.secret.value == b"a secret of sixteen"
