"""The login phase of one connection (RFC 7143 6.3, 11.12, 11.13), from its requests to a verdict. Pure.

The connection feeds each Login Request to `Login.step` and sends what comes back; a refusal is an exception that
carries the status for the initiator and, for the log, the exact reason with what to change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from tgtd.net.iscsi.chap import ChapFailed, Exchange
from tgtd.net.iscsi.keys import KEYS, KeyPhase, encode, number, parse
from tgtd.net.iscsi.settings import Access, Credentials, Settings

if TYPE_CHECKING:
    from tgtd.net.iscsi.node import IscsiTarget

Pairs = list[tuple[str, str]]

# Stages (11.12.3).
SECURITY = 0
OPERATIONAL = 1
FULL_FEATURE = 3

# Status class and detail (11.13.5).
MOVED_TEMPORARILY = 0x0101
MOVED_PERMANENTLY = 0x0102
INITIATOR_ERROR = 0x0200
AUTHENTICATION_FAILED = 0x0201
FORBIDDEN = 0x0202
NOT_FOUND = 0x0203
UNSUPPORTED_VERSION = 0x0205
TOO_MANY_CONNECTIONS = 0x0206
MISSING_PARAMETER = 0x0207
CANNOT_INCLUDE = 0x0208
SESSION_TYPE = 0x0209
NO_SUCH_SESSION = 0x020A
INVALID_REQUEST = 0x020B
UNAVAILABLE = 0x0301
OUT_OF_RESOURCES = 0x0302

_LONGEST_TEXT = 64 * 1024
_MOST_STEPS = 64
_SEGMENT = 8192  # RFC 7143 13.12: the default of MaxRecvDataSegmentLength, which holds during the login
_LONGEST_NAME = 223  # RFC 7143 4.2.7.2: bytes of an iSCSI name
_IDENTITY = ("InitiatorName", "InitiatorAlias", "SessionType", "TargetName")
PROTOCOL_LEVEL = 2  # RFC 7144 7.1


class LoginRefused(Exception):
    """The login ends. status: class and detail; pairs: text that goes with it; str(): the reason, for the log."""

    def __init__(self, status: int, why: str, pairs: Pairs | None = None) -> None:
        super().__init__(why)
        self.status = status
        self.pairs = pairs or []


class Directory(Protocol):
    """What the login phase asks of the daemon's iSCSI service."""

    discovery: Access

    def reachable(self, name: str, local: tuple[str, int]) -> IscsiTarget | None:
        """The target of that name, if one of its portals is where the connection came in."""

    def join(self, target: IscsiTarget, login: Login) -> None:
        """May this connection be added to the session it names? Raises LoginRefused."""

    def make_room(self, target: IscsiTarget | None, login: Login) -> None:
        """Is there room for one more session (None: for discovery)? Raises LoginRefused."""


@dataclass(frozen=True, slots=True)
class LoginRequest:
    """A Login Request, taken apart. isid: 48 bits."""

    transit: bool
    more: bool
    stage: int
    next_stage: int
    version_min: int
    isid: int
    tsih: int
    cid: int
    text: bytes


@dataclass(frozen=True, slots=True)
class LoginResponse:
    """A Login Response with status 0. transit and next_stage: as granted. more: the text goes on in the next one."""

    transit: bool
    stage: int
    next_stage: int
    text: bytes
    more: bool = False


@dataclass(frozen=True, slots=True)
class Negotiated:
    """What was settled, as the full feature phase uses it; sizes in bytes. send_limit: the peer's
    MaxRecvDataSegmentLength; receive_limit: ours."""

    header_digest: bool
    data_digest: bool
    send_limit: int
    receive_limit: int
    max_connections: int
    initial_r2t: bool
    immediate_data: bool
    max_burst: int
    first_burst: int
    max_outstanding_r2t: int
    time2wait: int
    time2retain: int
    protocol_level: int


class Login:
    """local, peer: (address, port) of the connection; random(n) → n unpredictable bytes."""

    def __init__(
        self, directory: Directory, local: tuple[str, int], peer: tuple[str, int], random: Callable[[int], bytes]
    ) -> None:
        self._directory = directory
        self._local = local
        self._peer = peer
        self._random = random
        self._text = b""
        self._rest = b""
        self._refused = False
        self._steps = 0
        self._stage: int | None = None
        self.access = Access()
        self._settings = Settings()
        self._exchange: Exchange | None = None
        self._method = ""
        self._settled: dict[str, str] = {}
        self._declared = False
        self.initiator = ""
        self.alias = ""
        self.discovery = False
        self.target: IscsiTarget | None = None
        self.isid = 0
        self.tsih = 0
        self.cid = 0
        self.tag = 0
        """The portal group that the connection came in by (RFC 7143 4.4.1)."""
        self.complete = False

    @property
    def user(self) -> str:
        """The CHAP user that was authenticated, or ""."""
        return self._exchange.user if self._exchange is not None else ""

    def step(self, request: LoginRequest) -> LoginResponse:
        """Raises LoginRefused; nothing can follow that."""
        if self._refused or self.complete:
            raise LoginRefused(INVALID_REQUEST, "a Login Request after the login had ended")
        try:
            return self._step(request)
        except LoginRefused:
            self._refused = True
            raise

    def _step(self, request: LoginRequest) -> LoginResponse:
        self._steps += 1
        if self._steps > _MOST_STEPS:
            raise LoginRefused(INVALID_REQUEST, f"the login took more than {_MOST_STEPS} requests")
        self._check_frame(request)
        if self._rest:
            if request.text or request.more:
                raise LoginRefused(INITIATOR_ERROR, "new keys came before the answer to the last was through (C bit)")
            return self._answer(request)
        self._text += request.text
        if len(self._text) > _LONGEST_TEXT:
            raise LoginRefused(OUT_OF_RESOURCES, "the login text is too long")
        if request.more:
            if request.transit:
                raise LoginRefused(INITIATOR_ERROR, "a Login Request has both the T and the C bit set")
            return LoginResponse(False, request.stage, 0, b"")
        try:
            keys = parse(self._text)
        except ValueError as error:
            raise LoginRefused(INITIATOR_ERROR, str(error)) from None
        self._text = b""
        pairs: Pairs = []
        if not self.initiator:
            pairs += self._identify(keys)
        pairs += self._security(keys) if request.stage == SECURITY else self._operation(keys)
        self._rest = encode(pairs)
        return self._answer(request)

    def _answer(self, request: LoginRequest) -> LoginResponse:
        """As much of the answer as one PDU may carry; the stage changes with the last of it only (11.13.3)."""
        chunk, self._rest = self._rest[:_SEGMENT], self._rest[_SEGMENT:]
        if self._rest:
            return LoginResponse(False, request.stage, 0, chunk, more=True)
        return self._move(request, chunk)

    def _check_frame(self, request: LoginRequest) -> None:
        if request.version_min > 0:
            raise LoginRefused(UNSUPPORTED_VERSION, "the initiator wants a protocol version above 0")
        if request.stage not in (SECURITY, OPERATIONAL):
            raise LoginRefused(INITIATOR_ERROR, f"there is no login stage {request.stage}")
        if request.transit and (request.next_stage <= request.stage or request.next_stage == 2):
            raise LoginRefused(INITIATOR_ERROR, f"no way leads from stage {request.stage} to {request.next_stage}")
        if self._stage is None:
            self._stage = request.stage
            self.isid, self.tsih, self.cid = request.isid, request.tsih, request.cid
        elif (request.isid, request.tsih, request.cid) != (self.isid, self.tsih, self.cid):
            raise LoginRefused(INVALID_REQUEST, "ISID, TSIH or CID changed during the login")
        elif request.stage != self._stage:
            raise LoginRefused(INITIATOR_ERROR, f"stage {request.stage} where stage {self._stage} was due")

    def _identify(self, keys: dict[str, str]) -> Pairs:
        """Who calls, and for whom (RFC 7143 6.3: these keys come with the first request)."""
        taken = {name: keys.pop(name) for name in _IDENTITY if name in keys}
        self._settled.update(taken)
        self.initiator = taken.get("InitiatorName", "").lower()
        self.alias = taken.get("InitiatorAlias", "")
        if not self.initiator:
            raise LoginRefused(MISSING_PARAMETER, "the initiator sent no InitiatorName")
        if len(self.initiator.encode()) > _LONGEST_NAME or " " in self.initiator:
            raise LoginRefused(INITIATOR_ERROR, f"InitiatorName={self.initiator[:_LONGEST_NAME]} is no iSCSI name")
        kind = taken.get("SessionType", "Normal")
        name = taken.get("TargetName", "").lower()
        if kind == "Discovery":
            self.discovery = True
            self.access = self._directory.discovery
            self._check_access("discovery")
            if self.tsih:
                raise LoginRefused(
                    NO_SUCH_SESSION, f"{self.initiator} wants to add a connection to a discovery session"
                )
            self._directory.make_room(None, self)
            return []
        if kind != "Normal":
            raise LoginRefused(SESSION_TYPE, f"SessionType={kind[:40]} is neither Normal nor Discovery")
        if not name:
            raise LoginRefused(MISSING_PARAMETER, "the initiator sent no TargetName")
        target = self.target = self._directory.reachable(name, self._local)
        if target is None:
            raise LoginRefused(
                NOT_FOUND,
                f"no target {name[:223]} at {self._local[0]}:{self._local[1]}; see [[target]] name and portals",
            )
        if target.redirect is not None:
            status = MOVED_PERMANENTLY if target.redirect.permanent else MOVED_TEMPORARILY
            raise LoginRefused(
                status, f"sent on to {target.redirect.address}", [("TargetAddress", target.redirect.address)]
            )
        self.access = target.access
        self.tag = target.tag_at(self._local) or 0
        self._settings = target.settings
        self._check_access(target.name)
        if self.tsih:
            self._directory.join(target, self)
        else:
            self._directory.make_room(target, self)
        alias: Pairs = [("TargetAlias", target.alias)] if target.alias else []
        return [*alias, ("TargetPortalGroupTag", str(self.tag))]

    def _check_access(self, what: str) -> None:
        refusal = self.access.refusal(self.initiator, self._peer[0])
        if refusal is not None:
            raise LoginRefused(FORBIDDEN, f"{self.initiator} from {self._peer[0]} may not use {what}: {refusal}")

    @property
    def credentials(self) -> tuple[str, str, Credentials]:
        """By what the initiator has come in: equal for logins of which one proves as much as the other."""
        secret = self.access.chap.incoming.get(self.user, b"")
        return self.initiator, self._peer[0], Credentials(self.user, secret)

    @property
    def _must_authenticate(self) -> bool:
        return bool(self.access.chap.incoming)

    def _security(self, keys: Mapping[str, str]) -> Pairs:
        pairs: Pairs = []
        offered = keys.get("AuthMethod")
        if offered is not None:
            pairs.append(("AuthMethod", self._choose_method(offered)))
        chap = {name: value for name, value in keys.items() if name.startswith("CHAP_")}
        if chap:
            if self._exchange is None:
                raise LoginRefused(AUTHENTICATION_FAILED, "CHAP keys came before AuthMethod=CHAP was agreed")
            try:
                pairs += self._exchange.step(chap)
            except ChapFailed as error:
                raise LoginRefused(AUTHENTICATION_FAILED, f"{self.initiator} from {self._peer[0]}: {error}") from None
        rest = {name: value for name, value in keys.items() if name != "AuthMethod" and name not in chap}
        return pairs + self._settle(rest, KeyPhase.SECURITY)

    def _choose_method(self, offered: str) -> str:
        if self._method:
            raise LoginRefused(INITIATOR_ERROR, "AuthMethod was negotiated twice")
        methods = offered.split(",")
        self._method = "CHAP" if self._must_authenticate else "None"
        if self._method not in methods:
            raise LoginRefused(
                AUTHENTICATION_FAILED,
                f"{self.initiator} from {self._peer[0]} offers AuthMethod={offered[:40]}; {self._method} is needed: "
                + ("set its CHAP user and secret" if self._method == "CHAP" else "list it in access.chap"),
            )
        if self._method == "CHAP":
            self._exchange = Exchange(self.access.chap, self._random)
        return self._method

    def _operation(self, keys: Mapping[str, str]) -> Pairs:
        self._demand_authentication()
        pairs = self._settle(keys, KeyPhase.OPERATIONAL)
        if not self._declared:
            self._declared = True
            pairs.append(("MaxRecvDataSegmentLength", str(self._settings.max_recv_data_segment_length)))
        return pairs

    def _demand_authentication(self) -> None:
        if self._must_authenticate and (self._exchange is None or not self._exchange.done):
            raise LoginRefused(
                AUTHENTICATION_FAILED,
                f"{self.initiator} from {self._peer[0]} did not authenticate; CHAP is needed: set its user and secret",
            )

    def _settle(self, keys: Mapping[str, str], phase: KeyPhase) -> Pairs:
        answers: Pairs = []
        # The bound of FirstBurstLength comes first (13.14).
        for name, value in sorted(keys.items(), key=lambda pair: pair[0] != "MaxBurstLength"):
            if value in ("NotUnderstood", "Irrelevant", "Reject"):
                continue  # an answer to a declaration of ours
            answer = self._settle_one(name, value, phase)
            if answer is not None:
                answers.append((name, answer))
        return answers

    def _settle_one(self, name: str, value: str, phase: KeyPhase) -> str | None:
        """The answer to one key, or None where a declaration needs none."""
        row = KEYS.get(name)
        if row is None:
            return "NotUnderstood"
        if name in self._settled:
            raise LoginRefused(INITIATOR_ERROR, f"key {name} was negotiated twice")
        if phase not in row.phase:
            raise LoginRefused(INITIATOR_ERROR, f"key {name} does not belong in this stage")
        if (self.tsih and KeyPhase.LEADING in row.phase) or (self.discovery and not row.discovery):
            return "Irrelevant"
        if row.settle is None:
            if row.high:
                try:
                    value = str(number(row, value))
                except ValueError as error:
                    raise LoginRefused(INITIATOR_ERROR, str(error)) from None
            self._settled[name] = value
            return None
        try:
            answer = row.settle(row, value, self._wish(name))
        except ValueError:
            return "Reject"
        if answer != "Reject":
            self._settled[name] = answer
        return answer

    def _wish(self, name: str) -> str:
        """What we want of a key, as text."""
        settings = self._settings
        wishes: dict[str, object] = {
            "HeaderDigest": ",".join(settings.header_digest),
            "DataDigest": ",".join(settings.data_digest),
            "MaxConnections": settings.max_connections,
            "InitialR2T": _yes(settings.initial_r2t),
            "ImmediateData": _yes(settings.immediate_data),
            "MaxBurstLength": settings.max_burst_length,
            "FirstBurstLength": min(settings.first_burst_length, int(self._value("MaxBurstLength"))),
            "DefaultTime2Wait": settings.default_time2wait,
            "DefaultTime2Retain": settings.default_time2retain,
            "MaxOutstandingR2T": settings.max_outstanding_r2t,
            "iSCSIProtocolLevel": PROTOCOL_LEVEL,
            # Both orders stay as they are on the wire: we ask for data in order.
            "DataPDUInOrder": "Yes",
            "DataSequenceInOrder": "Yes",
            "ErrorRecoveryLevel": 0,
        }
        return str(wishes.get(name, KEYS[name].default))

    def _move(self, request: LoginRequest, text: bytes) -> LoginResponse:
        if not request.transit:
            return LoginResponse(False, request.stage, 0, text)
        if request.stage == SECURITY:
            if self._exchange is not None and not self._exchange.done:
                return LoginResponse(False, request.stage, 0, text)
            self._demand_authentication()
        if request.next_stage == FULL_FEATURE:
            self._demand_digest("HeaderDigest", self._settings.header_digest)
            self._demand_digest("DataDigest", self._settings.data_digest)
            self.complete = True
        self._stage = request.next_stage
        return LoginResponse(True, request.stage, request.next_stage, text)

    def _demand_digest(self, name: str, acceptable: tuple[str, ...]) -> None:
        """Without an offer, or after Reject, None holds: that must be acceptable too."""
        if self._value(name) not in acceptable:
            raise LoginRefused(
                INITIATOR_ERROR,
                f"{self.initiator} from {self._peer[0]} settled on {name}={self._value(name)}, and only "
                f"{', '.join(acceptable)} is allowed; offer that, or add None to the target's digests",
            )

    def _value(self, name: str) -> str:
        """What was settled, the default of RFC 7143 13 where nothing was."""
        return self._settled.get(name, KEYS[name].default)

    def parameters(self) -> Negotiated:
        """What was settled, defaults of RFC 7143 13 where nothing was said. For a finished login."""
        value = self._value
        max_burst = int(value("MaxBurstLength"))
        return Negotiated(
            header_digest=value("HeaderDigest") == "CRC32C",
            data_digest=value("DataDigest") == "CRC32C",
            send_limit=int(value("MaxRecvDataSegmentLength")),
            receive_limit=self._settings.max_recv_data_segment_length if self._declared else 8192,
            max_connections=int(value("MaxConnections")),
            initial_r2t=value("InitialR2T") == "Yes",
            immediate_data=value("ImmediateData") == "Yes",
            max_burst=max_burst,
            first_burst=min(int(value("FirstBurstLength")), max_burst),
            max_outstanding_r2t=int(value("MaxOutstandingR2T")),
            time2wait=int(value("DefaultTime2Wait")),
            time2retain=int(value("DefaultTime2Retain")),
            protocol_level=int(value("iSCSIProtocolLevel")),
        )


def _yes(flag: bool) -> str:
    return "Yes" if flag else "No"
