"""The login phase as a pure machine: stages, identity, negotiation, refusals."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.initiator import Pdu
from tests.scsi.workbench import IDENTITY, ManualLane
from tgtd.net.iscsi import login as status
from tgtd.net.iscsi.keys import KEYS
from tgtd.net.iscsi.login import Login, LoginRefused, LoginRequest, LoginResponse
from tgtd.net.iscsi.node import IscsiTarget
from tgtd.net.iscsi.settings import Access, Chap, Credentials, Redirect, Settings
from tgtd.scsi.buffers import BufferPool
from tgtd.scsi.spc.absent import AbsentUnit
from tgtd.scsi.target import Target

NAME = "iqn.2026-11.org.test:target"
ME = "iqn.2026-11.org.test:me"
LOCAL, PEER = ("10.0.0.1", 3260), ("10.0.0.9", 40000)
SECRET = b"a secret of twenty.."
WHO = {"InitiatorName": ME, "TargetName": NAME}


def make_target(**wishes: object) -> IscsiTarget:
    scsi = Target(NAME, lambda number: AbsentUnit(IDENTITY, BufferPool(0), ManualLane()))
    target = IscsiTarget(scsi, access=Access(anyone=True), portals=(("0.0.0.0", 3260),))
    for name, value in wishes.items():
        setattr(target, name, value)
    return target


@dataclass
class Directory:
    """One target, one session (TSIH 7) of which connections may be added to."""

    target: IscsiTarget = field(default_factory=make_target)
    discovery: Access = field(default_factory=lambda: Access(anyone=True))
    full: bool = False

    def reachable(self, name: str, local: tuple[str, int]) -> IscsiTarget | None:
        return self.target if name == self.target.name and self.target.listens_at(local) else None

    def join(self, target: IscsiTarget, login: Login) -> None:
        if login.tsih != 7:
            raise LoginRefused(status.NO_SUCH_SESSION, "no such session")

    def make_room(self, target: IscsiTarget | None, login: Login) -> None:
        if self.full:
            raise LoginRefused(status.OUT_OF_RESOURCES, "full")


def text_of(pairs: dict[str, str]) -> bytes:
    return b"".join(f"{name}={value}\0".encode() for name, value in pairs.items())


def request(stage: int, to: int | None, pairs: dict[str, str] | bytes = b"", **more: object) -> LoginRequest:
    text = pairs if isinstance(pairs, bytes) else text_of(pairs)
    plain = LoginRequest(to is not None, False, stage, to or 0, 0, 0x800000010000, 0, 0, text)
    return replace(plain, **more)  # type: ignore[arg-type]


def make_login(**wishes: object) -> Login:
    return Login(Directory(**wishes), LOCAL, PEER, lambda count: bytes(range(count)))  # type: ignore[arg-type]


def keys_of(answer: LoginResponse) -> dict[str, str]:
    return dict(Pdu(b"", answer.text).text)


def refusal(login: Login, *requests: LoginRequest) -> LoginRefused:
    for one in requests:
        try:
            login.step(one)
        except LoginRefused as refused:
            return refused
    pytest.fail("not refused")


def settle(offer: dict[str, str], target: IscsiTarget | None = None, **more: object) -> tuple[Login, dict[str, str]]:
    login = make_login(target=target or make_target())
    answer = login.step(request(1, 3, WHO | offer, **more))
    assert login.complete
    return login, keys_of(answer)


# Stages


@pytest.mark.parametrize(
    "way", [[(0, 1), (1, 3)], [(0, 3)], [(1, 3)], [(0, None), (0, None), (0, 1), (1, None), (1, 3)]]
)
def test_ways_through_the_stages(way: list[tuple[int, int | None]]) -> None:
    login = make_login()
    for index, (stage, to) in enumerate(way):
        answer = login.step(request(stage, to, WHO if not index else b""))
        assert (answer.transit, answer.stage, answer.next_stage) == (to is not None, stage, to or 0)
    assert login.complete
    refusal(login, request(1, 3))


@pytest.mark.parametrize(
    "requests",
    [
        [request(2, None, WHO)],
        [request(3, None, WHO)],
        [request(0, 2, WHO)],
        [request(0, 0, WHO)],
        [request(1, 1, WHO)],
        [request(1, 0, WHO)],
        [request(0, None, WHO), request(1, 3)],
        [request(0, 1, WHO), request(0, 1)],
        [request(0, 1, WHO, more=True)],
    ],
)
def test_ways_that_lead_nowhere(requests: list[LoginRequest]) -> None:
    assert refusal(make_login(), *requests).status == status.INITIATOR_ERROR


@pytest.mark.parametrize("change", [{"isid": 1}, {"tsih": 7}, {"cid": 1}])
def test_identity_does_not_change(change: dict[str, Any]) -> None:
    assert refusal(make_login(), request(0, 1, WHO), request(1, 3, **change)).status == status.INVALID_REQUEST


def test_version() -> None:
    assert refusal(make_login(), request(0, 1, WHO, version_min=1)).status == status.UNSUPPORTED_VERSION


def test_a_refusal_is_final() -> None:
    """A name that access refuses must not get in with the next request."""
    login = make_login(target=make_target(access=Access(initiators=("iqn.other",))))
    assert refusal(login, request(1, None, WHO)).status == status.FORBIDDEN
    assert refusal(login, request(1, 3)).status == status.INVALID_REQUEST
    assert not login.complete


def test_endless_logins_end() -> None:
    login = make_login()
    login.step(request(0, None, WHO))
    assert refusal(login, *[request(0, None)] * 100).status == status.INVALID_REQUEST


# Texts of more than one PDU


@pytest.mark.parametrize("cut", [0, 1, 13, 14, 40])
def test_a_question_in_pieces(cut: int) -> None:
    login = make_login()
    whole = text_of(WHO | {"MaxBurstLength": "65536"})
    answer = login.step(request(1, None, whole[:cut], more=True))
    assert answer == LoginResponse(False, 1, 0, b"")
    answer = login.step(request(1, 3, whole[cut:]))
    assert keys_of(answer)["MaxBurstLength"] == "65536"


def test_an_answer_in_pieces() -> None:
    login = make_login()
    offer = {f"X-key.{number:03}": "1" for number in range(400)}
    whole = text_of(WHO | offer)
    login.step(request(1, None, whole[:8000], more=True))
    answers = [login.step(request(1, 3, whole[8000:]))]
    while answers[-1].more:
        assert (answers[-1].transit, len(answers[-1].text)) == (False, 8192)
        assert not login.complete
        answers.append(login.step(request(1, 3)))
    assert login.complete
    pairs = keys_of(LoginResponse(True, 1, 3, b"".join(a.text for a in answers)))
    assert {name: pairs[name] for name in offer} == dict.fromkeys(offer, "NotUnderstood")


def test_no_question_into_an_answer() -> None:
    login = make_login()
    offer = {f"X-{number}-{'x' * 50}": "1" for number in range(200)}
    assert login.step(request(1, 3, WHO | offer)).more
    assert refusal(login, request(1, 3, b"X-more=1\0")).status == status.INITIATOR_ERROR


def test_endless_text_ends() -> None:
    assert refusal(make_login(), *[request(1, None, b"x" * 8192, more=True)] * 9).status == status.OUT_OF_RESOURCES


# Who, and where to


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ({"TargetName": NAME}, status.MISSING_PARAMETER),
        ({"InitiatorName": ME}, status.MISSING_PARAMETER),
        ({"InitiatorName": "", "TargetName": NAME}, status.MISSING_PARAMETER),
        ({"InitiatorName": "a b", "TargetName": NAME}, status.INITIATOR_ERROR),
        ({"InitiatorName": "ä" * 112, "TargetName": NAME}, status.INITIATOR_ERROR),
        (WHO | {"SessionType": "Strange"}, status.SESSION_TYPE),
        ({"InitiatorName": ME, "TargetName": "iqn.none"}, status.NOT_FOUND),
    ],
)
def test_identification(pairs: dict[str, str], expected: int) -> None:
    assert refusal(make_login(), request(0, 1, pairs)).status == expected


def test_names_have_no_case() -> None:
    login = make_login()
    login.step(request(1, 3, {"InitiatorName": ME.upper(), "TargetName": NAME.upper(), "InitiatorAlias": "A b"}))
    assert (login.initiator, login.alias) == (ME, "A b")


def test_only_at_its_portals() -> None:
    assert refusal(make_login(target=make_target(portals=(("10.0.0.2", 3260),))), request(1, 3, WHO)).status == 0x0203


@pytest.mark.parametrize(("permanent", "expected"), [(False, 0x0101), (True, 0x0102)])
def test_redirection(permanent: bool, expected: int) -> None:
    target = make_target(redirect=Redirect("10.0.0.2:3261", permanent))
    moved = refusal(make_login(target=target), request(0, 1, WHO))
    assert (moved.status, moved.pairs) == (expected, [("TargetAddress", "10.0.0.2:3261")])


def test_first_answer_names_the_portal_group() -> None:
    login = make_login(target=make_target(alias="disks"))
    answer = keys_of(login.step(request(0, 1, WHO | {"AuthMethod": "None"})))
    assert answer == {"TargetAlias": "disks", "TargetPortalGroupTag": "1", "AuthMethod": "None"}


def test_full_house() -> None:
    assert refusal(make_login(full=True), request(1, 3, WHO)).status == status.OUT_OF_RESOURCES
    discovery = {"InitiatorName": ME, "SessionType": "Discovery"}
    assert refusal(make_login(full=True), request(1, 3, discovery)).status == status.OUT_OF_RESOURCES


def test_a_discovery_session_has_one_connection() -> None:
    discovery = {"InitiatorName": ME, "SessionType": "Discovery"}
    assert refusal(make_login(), request(1, 3, discovery, tsih=7)).status == status.NO_SUCH_SESSION


def test_only_known_sessions_are_joined() -> None:
    assert refusal(make_login(), request(1, 3, WHO, tsih=8)).status == status.NO_SUCH_SESSION
    assert settle({}, tsih=7)[0].tsih == 7


# Negotiation

EVERY_KEY = {
    "MaxConnections": ("16", "8"),
    "InitialR2T": ("No", "No"),
    "ImmediateData": ("Yes", "Yes"),
    "MaxBurstLength": ("16777215", "1048576"),
    "FirstBurstLength": ("16777215", "262144"),
    "DefaultTime2Wait": ("0", "2"),
    "DefaultTime2Retain": ("3600", "20"),
    "MaxOutstandingR2T": ("16", "4"),
    "DataPDUInOrder": ("No", "Yes"),
    "DataSequenceInOrder": ("No", "Yes"),
    "ErrorRecoveryLevel": ("2", "0"),
    "iSCSIProtocolLevel": ("2", "2"),
    "TaskReporting": ("FastAbort,RFC3720", "RFC3720"),
    "HeaderDigest": ("CRC32C,None", "CRC32C"),
    "DataDigest": ("None,CRC32C", "None"),
    "IFMarker": ("Yes", "No"),
    "OFMarker": ("Yes", "No"),
    "IFMarkInt": ("2048", "Reject"),
    "OFMarkInt": ("2048", "Reject"),
    "RDMAExtensions": ("Yes", "No"),
    "X-unknown": ("1", "NotUnderstood"),
    "MaxRecvDataSegmentLength": ("65536", "262144"),
}
OF_THE_FIRST_CONNECTION = [
    "MaxConnections", "InitialR2T", "ImmediateData", "MaxBurstLength", "FirstBurstLength", "DefaultTime2Wait",
    "DefaultTime2Retain", "MaxOutstandingR2T", "DataPDUInOrder", "DataSequenceInOrder", "ErrorRecoveryLevel",
]  # fmt: skip
NOT_IN_DISCOVERY = [
    "MaxConnections", "InitialR2T", "ImmediateData", "MaxBurstLength", "FirstBurstLength", "MaxOutstandingR2T",
    "DataPDUInOrder", "DataSequenceInOrder",
]  # fmt: skip


def test_every_key_is_answered() -> None:
    _, answer = settle({name: offer for name, (offer, _) in EVERY_KEY.items()})
    assert {name: answer[name] for name in EVERY_KEY} == {name: result for name, (_, result) in EVERY_KEY.items()}
    negotiated = {name for name, row in KEYS.items() if row.settle is not None} - {"AuthMethod"}
    assert negotiated <= EVERY_KEY.keys()


@pytest.mark.parametrize(
    ("more", "who", "irrelevant"),
    [
        ({"tsih": 7}, WHO, OF_THE_FIRST_CONNECTION),
        ({}, {"InitiatorName": ME, "SessionType": "Discovery"}, NOT_IN_DISCOVERY),
    ],
)
def test_irrelevant_keys(more: dict[str, int], who: dict[str, str], irrelevant: list[str]) -> None:
    login = make_login()
    answer = keys_of(login.step(request(1, 3, who | {name: EVERY_KEY[name][0] for name in irrelevant}, **more)))
    assert {name: answer[name] for name in irrelevant} == dict.fromkeys(irrelevant, "Irrelevant")


@pytest.mark.parametrize(
    ("offer", "first"),
    [
        ({"FirstBurstLength": "131072", "MaxBurstLength": "65536"}, "65536"),
        ({"FirstBurstLength": "1048576"}, "262144"),
        ({"FirstBurstLength": "4096", "MaxBurstLength": "65536"}, "4096"),
    ],
)
def test_the_first_burst_fits_into_a_burst(offer: dict[str, str], first: str) -> None:
    login, answer = settle(offer, make_target(settings=Settings(first_burst_length=1 << 20)))
    assert answer["FirstBurstLength"] == first
    assert login.parameters().first_burst == int(first)


def test_defaults_where_nothing_is_said() -> None:
    found = settle({})[0].parameters()
    assert (found.send_limit, found.max_burst, found.first_burst) == (8192, 262144, 65536)
    assert (found.initial_r2t, found.immediate_data, found.max_outstanding_r2t) == (True, True, 1)
    assert (found.max_connections, found.protocol_level, found.time2wait, found.time2retain) == (1, 1, 2, 20)
    assert (found.header_digest, found.data_digest) == (False, False)


@pytest.mark.parametrize(
    "offer", [{"MaxConnections": "0"}, {"InitialR2T": "Maybe"}, {"MaxBurstLength": "9" * 5000}, {"DataDigest": "MD5"}]
)
def test_bad_offers_are_rejected_and_change_nothing(offer: dict[str, str]) -> None:
    login, answer = settle(offer)
    assert [answer[name] for name in offer] == ["Reject"]
    assert login.parameters() == settle({})[0].parameters()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({}, {"InitiatorName": ME}),
        ({}, {"TargetName": NAME}),
        ({"MaxBurstLength": "512"}, {"MaxBurstLength": "1024"}),
        ({"MaxRecvDataSegmentLength": "512"}, {"MaxRecvDataSegmentLength": "512"}),
        ({}, {"AuthMethod": "None"}),
        ({}, {"SendTargets": "All"}),
        ({"MaxRecvDataSegmentLength": "511"}, {}),
        ({"MaxRecvDataSegmentLength": "x"}, {}),
    ],
)
def test_what_may_not_be_said(first: dict[str, str], second: dict[str, str]) -> None:
    refused = refusal(make_login(), request(1, None, WHO | first), request(1, 3, second))
    assert refused.status == status.INITIATOR_ERROR


def test_operational_keys_wait_for_their_stage() -> None:
    assert refusal(make_login(), request(0, 1, WHO | {"InitialR2T": "No"})).status == status.INITIATOR_ERROR


@pytest.mark.parametrize("offer", [{}, {"HeaderDigest": "None"}])
def test_a_digest_that_is_demanded(offer: dict[str, str]) -> None:
    target = make_target(settings=Settings(header_digest=("CRC32C",)))
    assert refusal(make_login(target=target), request(1, 3, WHO | offer)).status == status.INITIATOR_ERROR
    assert settle({"HeaderDigest": "None,CRC32C"}, target)[0].parameters().header_digest


# Authentication

CHAP = Access(
    anyone=True, chap=Chap({"host": SECRET}, Credentials("us", b"our secret, long enough"), ("sha256", "md5"))
)


def authenticate(login: Login, secret: bytes, **extra: str) -> LoginResponse:
    login.step(request(0, None, WHO | {"AuthMethod": "CHAP,None"}))
    challenge = keys_of(login.step(request(0, None, {"CHAP_A": "7"})))
    data = bytes((int(challenge["CHAP_I"]),)) + secret + bytes.fromhex(challenge["CHAP_C"][2:])
    return login.step(request(0, 1, {"CHAP_N": "host", "CHAP_R": "0x" + hashlib.sha256(data).hexdigest()} | extra))


def test_authenticated() -> None:
    login = make_login(target=make_target(access=CHAP))
    assert authenticate(login, SECRET).transit
    login.step(request(1, 3))
    assert (login.complete, login.user) == (True, "host")


def test_mutually() -> None:
    login = make_login(target=make_target(access=CHAP))
    answer = authenticate(login, SECRET, CHAP_I="1", CHAP_C="0x123456")
    assert answer.transit
    assert keys_of(answer)["CHAP_N"] == "us"


def test_wrong_secret_ends_it() -> None:
    login = make_login(target=make_target(access=CHAP))
    with pytest.raises(LoginRefused) as caught:
        authenticate(login, b"a wrong secret")
    assert caught.value.status == status.AUTHENTICATION_FAILED
    refusal(login, request(0, 1))


@pytest.mark.parametrize(
    "requests",
    [
        [request(1, 3, WHO)],
        [request(0, 3, WHO)],
        [request(0, 1, WHO)],
        [request(0, 1, WHO | {"AuthMethod": "None"})],
        [request(0, 1, WHO | {"AuthMethod": "KRB5,SRP"})],
        [request(0, 1, WHO | {"CHAP_A": "7"})],
        [request(0, None, WHO | {"AuthMethod": "CHAP"}), request(0, None, {"CHAP_A": "6"})],
    ],
)
def test_no_way_around_authentication(requests: list[LoginRequest]) -> None:
    login = make_login(target=make_target(access=CHAP))
    assert refusal(login, *requests).status == status.AUTHENTICATION_FAILED


def test_transit_is_not_granted_before_authentication() -> None:
    login = make_login(target=make_target(access=CHAP))
    answers = [login.step(request(0, 3, WHO | {"AuthMethod": "CHAP"})), login.step(request(0, 3, {"CHAP_A": "7"}))]
    assert [answer.transit for answer in answers] == [False, False]


def test_chap_is_declined_where_it_is_not_set() -> None:
    refused = refusal(make_login(), request(0, 1, WHO | {"AuthMethod": "CHAP"}))
    assert (refused.status, "access.chap" in str(refused)) == (status.AUTHENTICATION_FAILED, True)


def test_discovery_is_authenticated_too() -> None:
    discovery = {"InitiatorName": ME, "SessionType": "Discovery"}
    assert refusal(make_login(discovery=CHAP), request(1, 3, discovery)).status == status.AUTHENTICATION_FAILED


# Whatever comes

NAMES = st.sampled_from([*KEYS, "X-some", "", "Target"])
VALUES = st.one_of(
    st.sampled_from([ME, NAME, "Normal", "Discovery", "None", "CHAP", "Yes", "No", "7", "0x", "All", "Reject"]),
    st.text(max_size=20),
)
REQUESTS = st.builds(
    LoginRequest,
    transit=st.booleans(),
    more=st.sampled_from([False, False, False, True]),
    stage=st.integers(0, 3),
    next_stage=st.integers(0, 3),
    version_min=st.sampled_from([0, 0, 0, 1]),
    isid=st.just(1),
    tsih=st.sampled_from([0, 0, 7, 9]),
    cid=st.just(0),
    text=st.one_of(st.binary(max_size=60), st.dictionaries(NAMES, VALUES, max_size=6).map(text_of)),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(REQUESTS, max_size=8), st.booleans())
@example(
    [LoginRequest(True, False, 1, 3, 0, 1, 7, 0, text_of({"InitiatorName": ME, "SessionType": "Discovery"}))], False
)
def test_any_login_is_answered_or_refused(requests: list[LoginRequest], chap: bool) -> None:
    login = make_login(target=make_target(access=CHAP if chap else Access(anyone=True)))
    ends: LoginRefused | None = None
    for one in requests:
        try:
            answer = login.step(one)
        except LoginRefused as refused:
            ends = refused
            break
        assert not (answer.transit and answer.more)
    assert ends is None or (ends.status >> 8 in (1, 2, 3) and "\n" not in str(ends))
    if login.complete:
        assert not chap or login.user == "host" or login.discovery
        login.parameters()


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(NAMES, VALUES, max_size=5), st.lists(st.integers(1, 30), max_size=6))
def test_pieces_make_no_difference(offer: dict[str, str], cuts: list[int]) -> None:
    text = text_of(WHO) + text_of({name: value for name, value in offer.items() if name not in WHO})

    def outcome(pieces: list[bytes]) -> object:
        login = make_login()
        try:
            for piece in pieces[:-1]:
                login.step(request(1, None, piece, more=True))
            return login.step(request(1, 3, pieces[-1]))
        except LoginRefused as refused:
            return refused.status

    pieces, at = [], 0
    for cut in cuts:
        pieces.append(text[at : at + cut])
        at += cut
    assert outcome([*pieces, text[at:]]) == outcome([text])
