"""What PERSISTENT RESERVE OUT does to the state: a row for each service action (SPC-5 5.14.7 to 5.14.11). Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from tgtd.scsi.reservation.parameters import PersistentReserveOut
from tgtd.scsi.reservation.state import MOST_REGISTRATIONS, Registrant, State
from tgtd.scsi.reservation.types import TYPES, Type
from tgtd.scsi.sense import (
    INSUFFICIENT_REGISTRATION_RESOURCES,
    INVALID_FIELD_IN_CDB,
    INVALID_FIELD_IN_PARAMETER_LIST,
    INVALID_RELEASE,
    REGISTRATIONS_PREEMPTED,
    RESERVATION_CONFLICT,
    RESERVATIONS_PREEMPTED,
    RESERVATIONS_RELEASED,
    CheckCondition,
    Refused,
    Sense,
)

_NEW_KEY, _FLAGS, _SPEC_I_PT_BIT = 8, 20, 3
"""Places in the parameter list."""
_SCOPE_AND_TYPE = 2
"""Byte of the CDB."""
_LU_SCOPE = 0
_GENERATIONS = 1 << 32


@dataclass(frozen=True, slots=True)
class Decision:
    """state: the same object when nothing changes. told: the unit attentions that are due. preempted: the I_T nexuses
    whose commands PREEMPT AND ABORT aborts."""

    state: State
    told: Mapping[Registrant, Sense] = field(default_factory=dict)
    preempted: frozenset[Registrant] = frozenset()


def register(state: State, request: PersistentReserveOut) -> Decision:
    """REGISTER (SPC-5 table 67)."""
    own = [Registrant(request.by.initiator, port) for port in request.ports]
    if any(state.keys.get(who, 0) != request.key for who in own):
        raise Refused(RESERVATION_CONFLICT)
    return _enter(state, request, own)


def register_and_ignore(state: State, request: PersistentReserveOut) -> Decision:
    """REGISTER AND IGNORE EXISTING KEY (SPC-5 table 68)."""
    return _enter(state, request, [Registrant(request.by.initiator, port) for port in request.ports])


def _enter(state: State, request: PersistentReserveOut, own: list[Registrant]) -> Decision:
    registered = [who for who in own if who in state.keys]
    if not registered and not request.new_key:
        return Decision(state)
    if registered and request.others is not None:
        raise CheckCondition(INVALID_FIELD_IN_PARAMETER_LIST, field=_FLAGS, bit=_SPEC_I_PT_BIT)
    changed = replace(state, generation=_next(state), persistent=request.persistent)
    if not request.new_key:
        return _leave(changed, registered, request.by)
    for who, at in (request.others or {}).items():
        if who in state.keys:
            raise CheckCondition(INVALID_FIELD_IN_PARAMETER_LIST, field=at)
    return Decision(replace(changed, keys=_with(state, [*own, *(request.others or ())], request.new_key)))


def register_and_move(state: State, request: PersistentReserveOut) -> Decision:
    """REGISTER AND MOVE (SPC-5 5.14.8)."""
    _demand_key(state, request)
    if state.type is None:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=1, bit=4)
    if state.holder != request.by:  # nobody in particular holds a reservation of all registrants
        raise Refused(RESERVATION_CONFLICT)
    if not request.new_key:
        raise CheckCondition(INVALID_FIELD_IN_PARAMETER_LIST, field=_NEW_KEY)
    assert request.destination is not None
    moved = replace(
        state,
        generation=_next(state),
        persistent=request.persistent,
        keys=_with(state, [request.destination], request.new_key),
        holder=request.destination,
    )
    return _leave(moved, [request.by], request.by) if request.unregister else Decision(moved)


def reserve(state: State, request: PersistentReserveOut) -> Decision:
    """RESERVE (SPC-5 5.14.9); PRGENERATION stays."""
    _demand_key(state, request)
    wanted = _demand_type(request)
    if state.type is None:
        return Decision(replace(state, type=wanted, holder=None if wanted.everyone else request.by))
    if not state.holds(request.by) or state.type is not wanted:
        raise Refused(RESERVATION_CONFLICT)
    return Decision(state)


def release(state: State, request: PersistentReserveOut) -> Decision:
    """RELEASE (SPC-5 5.14.11.2.2); PRGENERATION stays."""
    _demand_key(state, request)
    if request.scope != _LU_SCOPE and not state.holds(request.by):
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=_SCOPE_AND_TYPE, bit=7)
    if state.type is None or not state.holds(request.by):
        return Decision(state)
    if request.scope != _LU_SCOPE or request.type != state.type.code:
        raise CheckCondition(INVALID_RELEASE)
    told = _tell(state.keys, RESERVATIONS_RELEASED, request.by) if state.type.registrants else {}
    return Decision(replace(state, type=None, holder=None), told)


def clear(state: State, request: PersistentReserveOut) -> Decision:
    """CLEAR (SPC-5 5.14.11.2.7)."""
    _demand_key(state, request)
    return cleared(state, request.by)


def cleared(state: State, by: Registrant | None) -> Decision:
    """Nothing is reserved and nobody registered. by: who need not be told."""
    return Decision(
        State(generation=_next(state), persistent=state.persistent), _tell(state.keys, RESERVATIONS_PREEMPTED, by)
    )


def preempt(state: State, request: PersistentReserveOut) -> Decision:
    """PREEMPT (SPC-5 5.14.11.2.4 and 5)."""
    _demand_key(state, request)
    everyone = state.type is not None and state.type.everyone
    if not request.new_key and not everyone and state.type is not None:
        raise CheckCondition(INVALID_FIELD_IN_PARAMETER_LIST, field=_NEW_KEY)
    if everyone and not request.new_key:
        return _take(state, request, frozenset(state.keys))
    victims = frozenset(who for who, key in state.keys.items() if key == request.new_key)
    if state.holder in victims:
        return _take(state, request, victims)
    if not victims:
        raise Refused(RESERVATION_CONFLICT)
    outcome = _leave(replace(state, generation=_next(state)), victims, request.by)
    return replace(outcome, told=_tell(victims, REGISTRATIONS_PREEMPTED, request.by), preempted=victims)


def _take(state: State, request: PersistentReserveOut, victims: frozenset[Registrant]) -> Decision:
    """The reservation goes over to the preempting nexus, whose own registration stays (SPC-5 5.14.11.2.4.3)."""
    wanted = _demand_type(request)
    gone = victims - {request.by}
    keys = {who: key for who, key in state.keys.items() if who not in gone}
    told = _tell(gone, REGISTRATIONS_PREEMPTED, request.by)
    if wanted is not state.type:
        told |= _tell(keys, RESERVATIONS_RELEASED, request.by)
    taken = replace(
        state,
        generation=_next(state),
        keys=keys,
        type=wanted,
        holder=None if wanted.everyone else request.by,
    )
    return Decision(taken, told, gone)


def replace_lost(state: State, request: PersistentReserveOut) -> Decision:
    """REPLACE LOST RESERVATION, once it is known that there is one to replace (SPC-5 5.14.11.3)."""
    if request.key:
        raise Refused(RESERVATION_CONFLICT)
    wanted = _demand_type(request)
    if not request.new_key:
        raise CheckCondition(INVALID_FIELD_IN_PARAMETER_LIST, field=_NEW_KEY)
    return Decision(
        State(
            keys={request.by: request.new_key},
            type=wanted,
            holder=None if wanted.everyone else request.by,
            persistent=request.persistent,
        )
    )


def _demand_key(state: State, request: PersistentReserveOut) -> None:
    """The key that this nexus has registered is the one it says (SPC-5 6.17.3); none is zero."""
    if state.keys.get(request.by) != request.key:
        raise Refused(RESERVATION_CONFLICT)


def _demand_type(request: PersistentReserveOut) -> Type:
    if request.scope != _LU_SCOPE:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=_SCOPE_AND_TYPE, bit=7)
    wanted = TYPES.get(request.type)
    if wanted is None:
        raise CheckCondition(INVALID_FIELD_IN_CDB, field=_SCOPE_AND_TYPE, bit=3)
    return wanted


def _with(state: State, who: Iterable[Registrant], key: int) -> Mapping[Registrant, int]:
    keys = {**state.keys, **dict.fromkeys(who, key)}
    if len(keys) > max(MOST_REGISTRATIONS, len(state.keys)):
        raise CheckCondition(INSUFFICIENT_REGISTRATION_RESOURCES)
    return keys


def _leave(state: State, gone: Collection[Registrant], by: Registrant) -> Decision:
    """Registrations end, and with its holder's the reservation (SPC-5 5.14.11.2.3)."""
    keys = {who: key for who, key in state.keys.items() if who not in gone}
    kind = state.type
    if kind is None or (keys if kind.everyone else state.holder not in gone):
        return Decision(replace(state, keys=keys))
    told = _tell(keys, RESERVATIONS_RELEASED, by) if kind.registrants else {}
    return Decision(replace(state, keys=keys, type=None, holder=None), told)


def _tell(whom: Iterable[Registrant], sense: Sense, but: Registrant | None) -> dict[Registrant, Sense]:
    return {who: sense for who in whom if who != but}


def _next(state: State) -> int:
    return (state.generation + 1) % _GENERATIONS


@dataclass(frozen=True, slots=True)
class Action:
    """A service action. flags: bits of byte 20 of the basic list that are no error (SPC-5 table 216): APTPL and
    ALL_TG_PT are ignored where they mean nothing, SPEC_I_PT is not. moves: it has a list of its own form.
    aborts: commands of those preempted end. replaces: it is for what was lost. quiet: NUAR keeps its unit attentions
    back (SPC-5 7.5.10)."""

    code: int
    name: str
    perform: Callable[[State, PersistentReserveOut], Decision]
    flags: int = 0x05
    moves: bool = False
    aborts: bool = False
    replaces: bool = False
    quiet: bool = False


ACTIONS = (
    Action(0x00, "REGISTER", register, flags=0x0D),
    Action(0x01, "RESERVE", reserve),
    Action(0x02, "RELEASE", release, quiet=True),
    Action(0x03, "CLEAR", clear),
    Action(0x04, "PREEMPT", preempt),
    Action(0x05, "PREEMPT AND ABORT", preempt, aborts=True),
    Action(0x06, "REGISTER AND IGNORE EXISTING KEY", register_and_ignore),
    Action(0x07, "REGISTER AND MOVE", register_and_move, moves=True),
    Action(0x08, "REPLACE LOST RESERVATION", replace_lost, flags=0x01, replaces=True),
)
