from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tgtd.config.document import Document
from tgtd.config.model import Origin


def _document(text: str | bytes) -> Document:
    return Document("a.toml", text if isinstance(text, bytes) else text.encode(), 0o644)


def _said(text: str | bytes) -> list[str]:
    document = _document(text)
    assert isinstance(document.data, dict)
    return [str(problem) for problem in document.problems]


@pytest.mark.parametrize(
    ("text", "begin", "end"),
    [
        ("a = 1\nb = yes\n", "a.toml:2:5: is not TOML: Invalid value", "numbers, true and false without"),
        ("a = 1\na = 2\n", "a.toml:2:", "remove one of the two"),
        ("[[target]\n", "a.toml:1:", ""),
        ("a = 'x\n", 'a.toml:2:1: is not TOML: Expected "\'" before the end of the file', "close what was opened"),
        ("a = [1, 2\n", "a.toml:2:1: is not TOML: Unclosed array before the end", "close what was opened"),
        ("a = 1 b = 2\n", "a.toml:1:7: is not TOML: Expected newline", "write one key = value a line"),
        ('a = "x\nb = 1\n', "a.toml:1:7: is not TOML: a text in quotes does not end", "write the closing quote"),
        ('a = "x\r\nb = 1\r\n', "a.toml:1:7: is not TOML: a text in quotes does not end", "write the closing quote"),
        ("a = { b = 1,\nc = 2 }\n", "a.toml:1:13: is not TOML: a table in braces ends too early", "before the }"),
        (
            "a = { b = 1, }\n",
            "a.toml:1:14: is not TOML: a table in braces ends too early",
            "without a comma before the }",
        ),
        (
            "a = { b = 1 c = 2 }\n",
            "a.toml:1:13: is not TOML: Unclosed inline table",
            "a comma between two keys, and } at the end",
        ),
        ("a = { b = 10 GiB }\n", "a.toml:1:14: is not TOML: Unclosed inline table", "and } at the end"),
        ("a: 1\n", "a.toml:1:2: is not TOML: Expected '='", "write key = value"),
        ("<<<<<<< HEAD\na = 1\n", "a.toml:1:1: is not TOML: a merge conflict was left in it", "remove the marks"),
        (
            "[[target.lun]]\n[[target]]\n",
            "a.toml:2:",
            "write [[target]] before its [[target.lun]], both with double brackets",
        ),
    ],
)
def test_syntax_errors(text: str, begin: str, end: str) -> None:
    (line,) = _said(text)
    assert line.startswith(begin)
    assert line.endswith(end)


def test_not_text() -> None:
    assert _said("a = 'ä'\nb = 'ö'\n".encode().replace("ö".encode(), b"\xf6")) == [
        "a.toml:2:6: is not UTF-8 text; save the file in the encoding UTF-8"
    ]


def test_a_byte_order_mark_says_nothing() -> None:
    document = _document(b"\xef\xbb\xbfa = 1\n")
    assert (document.data, document.problems) == ({"a": 1}, [])


@pytest.mark.parametrize(
    "text", ["a = " + "[" * 5000 + "]" * 5000, "a." * 1000 + "b = 1", f"[{'a.' * 1000}b]\n", "a." * 40 + "b = [{}]"]
)
def test_nested_too_deeply(text: str) -> None:
    assert _said(text) == ["a.toml:1:1: nests arrays or tables too deeply; no key here takes more than four levels"]


def test_huge_integers() -> None:
    (line,) = _said("a = " + "9" * 5000)
    assert line.startswith("a.toml:")


@given(st.one_of(st.binary(max_size=80), st.text(alphabet="[]{}=\"'#.,\n\\ atrue01-:é\0", max_size=60).map(str.encode)))
@example(b"\xef\xbb\xbf[target]")
@example(b"a={b=1,")
@example(b"[a]\n[a.b]\n[[a]]")
def test_any_bytes_are_data_or_one_complaint(content: bytes) -> None:
    document = _document(content)
    data = document.data
    assert len(document.problems) <= 1
    assert not (data and document.problems)
    for problem in document.problems:
        assert problem.line >= 1
        assert problem.column >= 1
    if data:
        assert document.positions.value(("a",))[0] >= 1


def test_labels() -> None:
    document = _document('[[target]]\nname = "x"\n[[target.lun]]\nnumber = 7\n[[target.lun]]\n[[target]]\n')
    assert document.label(("target", 0, "lun", 0, "medium", "path")) == ('target "x" lun 7', "medium.path")
    assert document.label(("target", 0, "lun", 1, "number")) == ('target "x" lun #2', "number")
    assert document.label(("target", 1, "portals", 0)) == ("target #2", "portals[0]")
    assert document.label(("target", 0, "map", 1, "luns", 0, "as")) == ('target "x"', "map[1].luns[0].as")
    assert document.label(("log", "level")) == ("", "log.level")


def test_headers_are_those_of_the_walk_or_none() -> None:
    plain = _document("# x\n[[target]]\n  [[target.lun]]\n[[ target . lun ]]\n")
    assert plain.headers(3) == [(2, 1), (3, 3), (4, 1)]
    assert plain.headers(2) is None
    assert _document('[[target]]\nalias = """\n[[target.lun]]\n"""\n').headers(1) is None


def test_shed_and_asked_again() -> None:
    document = _document("a = 1\n")
    assert document.data == {"a": 1}
    document.shed()
    assert document.data == {"a": 1}
    assert document.origin(("a",)) == Origin("a.toml", 1, 5)
    assert document.problems == []
