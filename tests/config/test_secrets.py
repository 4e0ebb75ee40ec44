from __future__ import annotations

from pathlib import Path

import pytest

from tgtd.config.problem import Mistake
from tgtd.config.secrets import SecretStore, inline

VALUE = "correct-horse-battery"


def _file(path: Path, content: str = VALUE + "\n", mode: int = 0o600) -> dict[str, str]:
    path.write_text(content)
    path.chmod(mode)
    return {"file": str(path)}


@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_a_file_less_one_line_end(tmp_path: Path, end: str) -> None:
    reference, outcome = SecretStore({}).fetch(_file(tmp_path / "s", VALUE + end))
    assert reference == ("file", str(tmp_path / "s"))
    assert outcome.secret.value == VALUE.encode()
    assert outcome.mistake is None


def test_a_credential(tmp_path: Path) -> None:
    _file(tmp_path / "chap-host1")
    _, outcome = SecretStore({"CREDENTIALS_DIRECTORY": str(tmp_path)}).fetch({"credential": "chap-host1"})
    assert outcome.secret.value == VALUE.encode()
    assert outcome.secret.source == "credential chap-host1"


def test_no_credentials() -> None:
    _, outcome = SecretStore({}).fetch({"credential": "chap-host1"})
    assert outcome.missing
    assert outcome.mistake == (
        'there is no credential "chap-host1": the service manager passed none',
        "add LoadCredential=chap-host1:/path to the service (systemctl edit tgtd)",
    )


def test_never_in_repr(tmp_path: Path) -> None:
    _, outcome = SecretStore({}).fetch(_file(tmp_path / "s"))
    assert VALUE not in repr(outcome) + str(outcome.secret) + repr(inline(VALUE, 0o600))


@pytest.mark.parametrize("mode", [0o604, 0o644, 0o602])
def test_what_others_can_read_is_no_secret(tmp_path: Path, mode: int) -> None:
    _, outcome = SecretStore({}).fetch(_file(tmp_path / "s", mode=mode))
    assert outcome.mistake == (
        f"file {tmp_path}/s can be read by everybody (mode 0{mode:o})",
        f"chmod o= {tmp_path}/s",
    )
    assert not outcome.missing
    assert outcome.secret.value == b""


@pytest.mark.parametrize(("length", "good"), [(11, False), (12, True), (255, True), (256, False)])
def test_length(tmp_path: Path, length: int, good: bool) -> None:
    _, outcome = SecretStore({}).fetch(_file(tmp_path / "s", "x" * length))
    assert (outcome.mistake is None) is good
    if outcome.mistake:
        assert outcome.mistake[0] == f"file {tmp_path}/s holds a secret of {length} bytes"


def test_more_than_one_line_is_no_secret(tmp_path: Path) -> None:
    _, outcome = SecretStore({}).fetch(_file(tmp_path / "s", VALUE + "\n\n"))
    assert outcome.mistake == (
        f"file {tmp_path}/s has more than one line",
        "write the secret as one line, and nothing else",
    )


def test_missing(tmp_path: Path) -> None:
    _, outcome = SecretStore({}).fetch({"file": str(tmp_path / "s")})
    assert outcome.missing
    assert outcome.mistake is not None
    assert f"umask 027; openssl rand -hex 16 > {tmp_path}/s;" in outcome.mistake[1]


def test_inline_only_in_a_private_file() -> None:
    assert inline(VALUE, 0o600).value == VALUE.encode()
    for mode in (0o640, 0o604, 0o660):
        with pytest.raises(Mistake, match=f"a secret stands in a file of mode 0{mode:o}") as caught:
            inline(VALUE, mode)
        assert VALUE not in str(caught.value) + caught.value.fix
