"""Text requests in the full feature phase."""

from __future__ import annotations

import pytest

from tests.initiator import Initiator, Pdu
from tests.net.iscsi.conftest import NAME, Stage
from tgtd.net.iscsi.settings import Access

NO_TAG = 0xFFFFFFFF


def rejected(pdu: Pdu) -> int:
    assert pdu.opcode == 0x3F
    return pdu.head[2]


def test_send_targets(stage: Stage) -> None:
    address = f"127.0.0.1:{stage.address[1]},1"
    expected = [("TargetName", NAME), ("TargetAddress", address)]
    with stage.login(target="") as discovery:
        assert discovery.send_targets("All") == expected
        assert discovery.send_targets(NAME) == expected
        assert discovery.send_targets("iqn.none") == []
        assert discovery.logout() == 0
    with stage.login() as normal:
        assert normal.send_targets("") == expected
        assert normal.send_targets(NAME) == expected
        assert normal.send_targets("All") == [("SendTargets", "Reject")]


def test_an_answer_longer_than_a_pdu(stage: Stage) -> None:
    def more_targets() -> list[str]:
        names = [f"{NAME}-{number:02}-{'x' * 60}" for number in range(30)]
        for name in names:
            stage.add_target(name, stage.make_disk(stage.medium, name))
            stage.service.targets[name].portals = stage.target.portals
        return names

    stage.call(more_targets)
    with Initiator(stage.target.portals[0], keys={"MaxRecvDataSegmentLength": "512"}).login() as discovery:
        pairs = discovery.send_targets()
        assert [value for name, value in pairs if name == "TargetName"] == sorted(stage.service.targets)
        first = discovery.text_pdu(b"SendTargets=All\0")
        assert (first.flags, len(first.data)) == (0x40, 512)
        # A new request forgets what was left of the old answer.
        assert discovery.text_pdu(b"X-a=1\0").text == [("X-a", "NotUnderstood")]
        assert rejected(discovery.text_pdu(b"", ttt=first.word(20))) == 0x09


@pytest.mark.parametrize("cut", [0, 5, 15])
def test_a_question_in_pieces(stage: Stage, cut: int) -> None:
    question = b"SendTargets=All\0"
    with stage.login(target="") as discovery:
        pdu = discovery.text_pdu(question[:cut], flags=0x40)
        assert (pdu.opcode, pdu.flags & 0xC0, pdu.data) == (0x24, 0, b"")
        pdu = discovery.text_pdu(question[cut:], itt=pdu.itt, ttt=pdu.word(20))
        assert (pdu.flags & 0xC0, pdu.word(20)) == (0x80, NO_TAG)
        assert pdu.text[0] == ("TargetName", NAME)


def test_final_answers_final_only(stage: Stage) -> None:
    with stage.login() as initiator:
        pdu = initiator.text_pdu(b"X-a=1\0", flags=0)
        assert (pdu.flags & 0xC0, pdu.text) == (0, [("X-a", "NotUnderstood")])
        pdu = initiator.text_pdu(b"X-b=1\0", flags=0, itt=pdu.itt, ttt=pdu.word(20))
        assert (pdu.flags & 0xC0, pdu.text) == (0, [("X-b", "NotUnderstood")])
        pdu = initiator.text_pdu(b"", itt=pdu.itt, ttt=pdu.word(20))
        assert (pdu.flags & 0xC0, pdu.word(20), pdu.data) == (0x80, NO_TAG, b"")


@pytest.mark.parametrize(
    ("text", "flags", "ttt", "reason"),
    [
        (b"nonsense\0", 0x80, NO_TAG, 0x04),
        (b"A=1\0A=2\0", 0x80, NO_TAG, 0x04),
        (b"A=\xff\0", 0x80, NO_TAG, 0x04),
        (b"MaxBurstLength=512\0", 0x80, NO_TAG, 0x04),
        (b"MaxRecvDataSegmentLength=1\0", 0x80, NO_TAG, 0x04),
        (b"A=1\0", 0xC0, NO_TAG, 0x04),
        (b"", 0x80, 1, 0x09),
        (b"", 0x80, 77, 0x09),
    ],
)
def test_rejected_and_the_session_lives(stage: Stage, text: bytes, flags: int, ttt: int, reason: int) -> None:
    with stage.login() as initiator:
        assert rejected(initiator.text_pdu(text, flags, ttt=ttt)) == reason
        assert initiator.send_targets("")


def test_endless_text_is_rejected(stage: Stage) -> None:
    with stage.login() as initiator:
        pdu = initiator.text_pdu(b"x" * 30000, flags=0x40)
        pdu = initiator.text_pdu(b"x" * 30000, flags=0x40, itt=pdu.itt, ttt=pdu.word(20))
        assert rejected(initiator.text_pdu(b"x" * 30000, flags=0x40, itt=pdu.itt, ttt=pdu.word(20))) == 0x0B


def test_segment_length_is_declared_anew(stage: Stage) -> None:
    with stage.login() as initiator:
        assert initiator.text_pdu(b"MaxRecvDataSegmentLength=512\0").data == b""
        initiator.nop(bytes(600))
        assert len(initiator.receive().data) == 512


def test_why_nothing_is_discovered_is_in_the_log(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="tgtd.net.iscsi.service")
    stage.target.access = Access(initiators=("iqn.2026-11.org.test:somebody",))
    with stage.login(target="") as initiator:
        assert initiator.send_targets() == []
    assert f"discovers nothing: {NAME}: its name matches no entry of access.initiators" in caplog.text
