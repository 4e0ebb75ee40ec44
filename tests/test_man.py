"""The manual is up to date with schemas and command rows, and well-formed."""

from __future__ import annotations

import importlib.util
import inspect
import json
import re
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

from tests.inside import inside
from tgtd.cli.check import examine
from tgtd.config.problem import Problem
from tgtd.scsi.sbc.disk import Disk
from tgtd.scsi.smc.changer import Changer
from tgtd.scsi.spc.unit import PrimaryUnit
from tgtd.status import Reload, pieces

MAN = Path(__file__).parents[1] / "man"
PAGES = sorted(path.name for path in MAN.glob("*.[158]"))


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", MAN / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generate = load()


def test_all_pages_are_there() -> None:
    assert PAGES == ["tgtctl.1", "tgtd-tape.5", "tgtd-targets.5", "tgtd.8", "tgtd.toml.5"]


@pytest.mark.parametrize("page", PAGES)
def test_lint(page: str) -> None:
    ran = subprocess.run(
        ["mandoc", "-T", "lint", "-W", "warning", MAN / page], capture_output=True, text=True, check=False, timeout=60
    )
    assert (ran.returncode, ran.stdout + ran.stderr) == (0, "")


@pytest.mark.parametrize("page", PAGES)
def test_headings_and_quotes_come_out_as_they_were_meant(page: str) -> None:
    """Words like In and No are requests of mdoc(7) too, and what quotes one word goes on to the end of the line."""
    ran = subprocess.run(
        ["mandoc", "-T", "utf8", "-O", "width=200", MAN / page], capture_output=True, text=True, check=True, timeout=60
    )
    lines = [line.strip() for line in re.sub(".\b", "", ran.stdout).splitlines()]
    headings = re.findall(r"^\.S[sh] (.*)$", (MAN / page).read_text(), re.MULTILINE)
    assert headings
    assert {heading.replace("\\&", "") for heading in headings} <= set(lines)
    assert [line for line in lines if re.search(r'\w""|“[^”]*“', line)] == []


@pytest.mark.parametrize("page", generate.PARTS)
def test_page_is_up_to_date(page: str) -> None:
    assert (MAN / page).read_text() == generate.filled(page), "run `make man` and commit the pages"


@pytest.mark.parametrize("page", ["tgtd.toml.5", "tgtd-targets.5"])
def test_every_key_is_in_the_manual(page: str) -> None:
    schema = generate.schema({"tgtd.toml.5": "tgtd.schema.json", "tgtd-targets.5": "targets.schema.json"}[page])
    tables = [
        table for table in [*schema["properties"].values(), *schema["$defs"].values()] if table.get("type") == "object"
    ]
    keys = {key for table in tables for key in table["properties"]}
    assert keys
    text = (MAN / page).read_text()
    assert [key for key in sorted(keys) if f".It Ic {key}\n" not in text] == []


def test_every_sub_command_is_in_the_manual() -> None:
    from tgtd.cli import COMMANDS, cartridge, command

    page = (MAN / "tgtctl.1").read_text()
    text, _, rest = page.partition(".Sh JSON\n")
    assert [name for name in COMMANDS if f".It Cm {name}" not in text] == []
    assert text.count(".It Cm ") == len(COMMANDS)
    modules = {name: command(name) for name in COMMANDS} | {"medium": cartridge}
    speak_json = [name for name, module in modules.items() if '"--json"' in inspect.getsource(module)]
    assert sorted(re.findall(r"^\.It Cm (\S+)$", rest, re.MULTILINE)) == sorted(speak_json)


def test_what_json_has_is_in_the_manual(tmp_path: Path) -> None:
    with inside(tmp_path) as site:
        site.write(site.lun(1))
        site.start()
        status = json.loads("".join(pieces(site.tree, site.health)))
    reload = Reload("applied", "test", 0.0).as_dict()
    target = status["targets"][0]
    lun = target["luns"][0]
    plan = ["steps", "sessions", "errors", "step", "does", "effects", "initiator", "address", "fields", "lun"]
    problem = Problem("a", 1, 1, "", "", "", "").as_dict()
    keys = {
        *status,
        *reload,
        *(target.keys() - {"transport"}),
        *(lun.keys() - {"tasks"}),
        *plan,
        *problem,
        "generation",
    }
    page = (MAN / "tgtctl.1").read_text()
    assert keys - set(re.findall(r"^\.Va (\w+)", page, re.MULTILINE)) == set()


def test_its_examples_can_be_used(tmp_path: Path) -> None:
    text = (MAN / "tgtd-targets.5").read_text()
    examples = [one for one in re.findall(r"\.Bd -literal[^\n]*\n(.*?)\.Ed", text, re.DOTALL) if "[[target]]" in one]
    assert len(examples) >= 2
    for number, example in enumerate(examples):
        file = tmp_path / f"{number}.toml"
        file.write_text(example)
        config, problems = examine(file)
        assert config is not None, problems
        assert {problem.severity for problem in problems} <= {"warning"}


def test_what_a_key_becomes() -> None:
    tables = generate.KeyTables(
        {
            "properties": {
                "depth": {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": 8,
                    "default": 4,
                    "description": "How deep. Or so",
                },
                "room": {"$ref": "#/$defs/room"},
            },
            "$defs": {
                "room": {
                    "type": "object",
                    "required": ["size"],
                    "properties": {"size": {"type": ["integer", "string"], "x-form": "a size", "minimum": 4096}},
                }
            },
        }
    )
    assert list(tables.lines()) == [
        ".Ss Keys outside of any table",
        ".Bl -tag -width Ds",
        ".It Ic depth",
        "How deep.",
        "Or so.",
        ".br",
        "An integer from 1 to 8; default 4.",
        ".El",
        ".Ss [room]",
        ".Bl -tag -width Ds",
        ".It Ic size",
        ".br",
        "A size of at least 4 KiB; required.",
        ".El",
    ]


def test_commands_that_share_an_operation_code() -> None:
    """34h is another command on a tape than on a disk: each has a line of its own."""
    lines = [line.removeprefix(".It ") for line in generate.command_lines() if line.startswith(".It 34h")]
    assert lines == [
        "34h Ta PRE-FETCH(10) Ta yes Ta device Ta no Ta no Ta no Ta no",
        "34h Ta READ POSITION Ta no Ta device Ta yes Ta no Ta no Ta no",
    ]


@pytest.mark.parametrize(
    ("title", "device", "kinds"),
    [
        ("disks", Disk, {"Command", "VPD page", "Mode page", "Log page"}),
        ("media changers", Changer, {"Command"}),
    ],
)
def test_what_is_refused(title: str, device: type[PrimaryUnit], kinds: set[str]) -> None:
    """Nothing that the manual says is refused is there, and each place that it names is looked at."""
    section = (MAN / "tgtd.8").read_text().partition(f".Ss What {title} refuse, and why\n")[2]
    section = re.split(r"^\.S[hs] ", section, maxsplit=1, flags=re.MULTILINE)[0]
    heads = re.findall(r"^\.It (Command|VPD page|Mode page|Log page) (.*?): \w", section, re.MULTILINE)
    assert {kind for kind, _ in heads} == kinds
    there: dict[str, set[tuple[int, int | None]]] = {
        "Command": {(row.opcode, row.action) for row in device.rows},
        "VPD page": {(page.code, None) for page in device.vital_pages},
        "Mode page": {(page.code, page.subpage) for page in device.mode_pages},
        "Log page": {(page.code, page.subpage) for page in device.log_pages},
    }
    for kind, codes in heads:
        for first, second in re.findall(r"([0-9A-F]{2})h(?:/([0-9A-F]{2,4})h)?", codes):
            assert (int(first, 16), int(second, 16) if second else None) not in there[kind], (
                f"{kind} {first}h/{second}h"
            )


def test_fields_that_disks_refuse() -> None:
    """RARC and the bits of command duration limits; GROUP NUMBER may be anything."""
    by_name = {row.name: row.usage for row in Disk.rows}
    assert [by_name[name][1] & 0x05 for name in ("READ(10)", "READ(12)", "READ(16)", "WRITE(16)")] == [0] * 4
    assert by_name["READ(16)"][14] == by_name["WRITE(16)"][14] == by_name["WRITE SCATTERED(16)"][14] == 0x3F
    assert by_name["WRITE SCATTERED(16)"][2] & 0x01 == 0
