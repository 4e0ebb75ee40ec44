"""tgtd.scsi.reservation.actions: what each service action does to the state (SPC-5 5.14.7 to 5.14.11)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tgtd.scsi.reservation.actions import ACTIONS, Decision, cleared
from tgtd.scsi.reservation.parameters import PersistentReserveOut
from tgtd.scsi.reservation.state import MOST_REGISTRATIONS, Registrant, State
from tgtd.scsi.reservation.types import TYPES
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

A, B, C = (Registrant(name, 1) for name in (b"a", b"b", b"c"))
BY_NAME = {action.name: action for action in ACTIONS}
PLAIN, ALL = TYPES[1], TYPES[7]
REGISTERED = State(keys={A: 1, B: 2, C: 2}, generation=10)


def held(code: int, by: Registrant | None = A, state: State = REGISTERED) -> State:
    kind = TYPES[code]
    return replace(state, type=kind, holder=None if kind.everyone else by)


def do(name: str, state: State, by: Registrant = A, key: int = 0, new_key: int = 0, **more: Any) -> Decision:
    request = PersistentReserveOut(
        by, more.pop("scope", 0), more.pop("type", 0), key, new_key, ports=more.pop("ports", (1,)), **more
    )
    return BY_NAME[name].perform(state, request)


def conflicts(*arguments: Any, **more: Any) -> None:
    with pytest.raises(Refused) as caught:
        do(*arguments, **more)
    assert caught.value.status == RESERVATION_CONFLICT


def refused(*arguments: Any, **more: Any) -> tuple[Sense, int | None, int | None]:
    with pytest.raises(CheckCondition) as caught:
        do(*arguments, **more)
    return caught.value.sense, caught.value.field, caught.value.bit


# REGISTER and REGISTER AND IGNORE EXISTING KEY


def test_register() -> None:
    after = do("REGISTER", State(generation=7), new_key=5).state
    assert (after.keys, after.generation, after.type) == ({A: 5}, 8, None)


def test_change_of_key_keeps_the_reservation() -> None:
    after = do("REGISTER", held(5), key=1, new_key=9).state
    assert (after.keys[A], after.type, after.holder, after.generation) == (9, TYPES[5], A, 11)


def test_registering_nothing_changes_nothing() -> None:
    for name in ("REGISTER", "REGISTER AND IGNORE EXISTING KEY"):
        state = State(generation=3)
        assert do(name, state, persistent=True).state is state


@pytest.mark.parametrize(("key", "by"), [(2, A), (0, A), (1, Registrant(b"d", 1))])
def test_register_with_a_wrong_key(key: int, by: Registrant) -> None:
    conflicts("REGISTER", REGISTERED, by, key=key, new_key=7)


def test_ignore_existing_key() -> None:
    after = do("REGISTER AND IGNORE EXISTING KEY", REGISTERED, key=99, new_key=7).state
    assert (after.keys, after.generation) == ({A: 7, B: 2, C: 2}, 11)
    assert do("REGISTER AND IGNORE EXISTING KEY", after, key=99).state.keys == {B: 2, C: 2}


def test_activate_persistence() -> None:
    on = do("REGISTER", State(), new_key=5, persistent=True).state
    assert on.persistent
    assert not do("REGISTER", on, key=5, new_key=5).state.persistent, "the last word holds"
    assert do("RESERVE", on, key=5, type=1).state.persistent, "others leave it"


def test_all_target_ports() -> None:
    elsewhere = Registrant(b"a", 2)
    after = do("REGISTER", State(), new_key=5, ports=(1, 2)).state
    assert after.keys == {A: 5, elsewhere: 5}
    assert after.generation == 1
    assert do("REGISTER", after, key=5, ports=(1, 2)).state.keys == {}
    conflicts("REGISTER", replace(after, keys={A: 5, elsewhere: 6}), key=5, new_key=7, ports=(1, 2))


def test_initiator_ports() -> None:
    after = do("REGISTER", State(), new_key=5, others={B: 28, C: 40}).state
    assert (after.keys, after.generation) == ({A: 5, B: 5, C: 5}, 1)


def test_initiator_ports_that_are_registered() -> None:
    state = State(keys={B: 1})
    assert refused("REGISTER", state, new_key=5, others={C: 28, B: 40}) == (INVALID_FIELD_IN_PARAMETER_LIST, 40, None)


@pytest.mark.parametrize("new_key", [0, 5])
def test_initiator_ports_from_one_who_is_registered(new_key: int) -> None:
    told = refused("REGISTER", REGISTERED, key=1, new_key=new_key, others={})
    assert told == (INVALID_FIELD_IN_PARAMETER_LIST, 20, 3)


def test_no_more_registrations_than_there_is_room_for() -> None:
    full = State(keys={Registrant(str(i).encode(), 1): 1 for i in range(MOST_REGISTRATIONS)})
    for name in ("REGISTER", "REGISTER AND IGNORE EXISTING KEY"):
        assert refused(name, full, new_key=5) == (INSUFFICIENT_REGISTRATION_RESOURCES, None, None)
    someone = Registrant(b"0", 1)
    assert do("REGISTER", full, someone, key=1, new_key=5).state.keys[someone] == 5
    holding = held(1, someone, full)
    assert refused("REGISTER AND MOVE", holding, someone, key=1, new_key=5, destination=A)[0] is (
        INSUFFICIENT_REGISTRATION_RESOURCES
    )


@pytest.mark.parametrize("code", TYPES)
def test_unregistering_the_holder_releases(code: int) -> None:
    outcome = do("REGISTER", held(code), key=1)
    assert outcome.state.keys == {B: 2, C: 2}
    assert (outcome.state.type is None) is (code not in (7, 8))
    registrants_only = code in (5, 6)
    assert outcome.told == ({B: RESERVATIONS_RELEASED, C: RESERVATIONS_RELEASED} if registrants_only else {})


@pytest.mark.parametrize("code", [7, 8])
def test_the_last_registrant_takes_the_reservation_along(code: int) -> None:
    state = held(code, state=State(keys={A: 1}))
    assert do("REGISTER", state, key=1).state.type is None


def test_unregistering_another_changes_no_reservation() -> None:
    after = do("REGISTER", held(5), B, key=2).state
    assert (after.type, after.holder, after.keys) == (TYPES[5], A, {A: 1, C: 2})


# RESERVE, RELEASE, CLEAR


@pytest.mark.parametrize("code", TYPES)
def test_reserve_and_release(code: int) -> None:
    reserved = do("RESERVE", REGISTERED, key=1, type=code)
    assert (reserved.state, reserved.told) == (held(code), {})
    again = do("RESERVE", reserved.state, key=1, type=code)
    assert again.state is reserved.state
    released = do("RELEASE", reserved.state, key=1, type=code)
    assert released.state == REGISTERED, "PRGENERATION too"
    assert released.told == (dict.fromkeys((B, C), RESERVATIONS_RELEASED) if code >= 5 else {})


@pytest.mark.parametrize("code", TYPES)
def test_reserve_what_is_reserved(code: int) -> None:
    state = held(code)
    other = 5 if code != 5 else 6
    conflicts("RESERVE", state, key=1, type=other)
    if code in (7, 8):
        assert do("RESERVE", state, B, key=2, type=code).state is state
    else:
        conflicts("RESERVE", state, B, key=2, type=code)


@pytest.mark.parametrize("code", [0, 2, 4, 9, 15])
def test_no_such_type(code: int) -> None:
    assert refused("RESERVE", REGISTERED, key=1, type=code) == (INVALID_FIELD_IN_CDB, 2, 3)
    assert refused("PREEMPT", held(1), B, key=2, new_key=1, type=code) == (INVALID_FIELD_IN_CDB, 2, 3)
    assert refused("REPLACE LOST RESERVATION", State(), new_key=1, type=code) == (INVALID_FIELD_IN_CDB, 2, 3)


def test_no_such_scope() -> None:
    assert refused("RESERVE", REGISTERED, key=1, type=1, scope=1) == (INVALID_FIELD_IN_CDB, 2, 7)
    assert refused("RELEASE", REGISTERED, key=1, type=1, scope=2) == (INVALID_FIELD_IN_CDB, 2, 7)
    assert refused("RELEASE", held(1), key=1, type=1, scope=2)[0] is INVALID_RELEASE


def test_release_of_another_type() -> None:
    assert refused("RELEASE", held(5), key=1, type=6)[0] is INVALID_RELEASE


def test_release_of_what_one_does_not_hold() -> None:
    state = held(5)
    assert do("RELEASE", state, B, key=2, type=1).state is state
    assert do("RELEASE", REGISTERED, key=1, type=1).state is REGISTERED


@pytest.mark.parametrize("code", [None, *TYPES])
def test_clear(code: int | None) -> None:
    state = replace(REGISTERED if code is None else held(code), persistent=True)
    outcome = do("CLEAR", state, B, key=2)
    assert outcome.state == State(generation=11, persistent=True)
    assert outcome.told == dict.fromkeys((A, C), RESERVATIONS_PREEMPTED)
    assert cleared(state, None).told == dict.fromkeys((A, B, C), RESERVATIONS_PREEMPTED)


@pytest.mark.parametrize("name", ["RESERVE", "RELEASE", "CLEAR", "PREEMPT", "PREEMPT AND ABORT", "REGISTER AND MOVE"])
@pytest.mark.parametrize(("by", "key"), [(A, 9), (A, 0), (Registrant(b"d", 1), 0), (Registrant(b"d", 1), 1)])
def test_only_for_the_registered(name: str, by: Registrant, key: int) -> None:
    for state in (REGISTERED, held(1), held(8)):
        conflicts(name, state, by, key=key, new_key=2, type=1, destination=C)


# PREEMPT


@pytest.mark.parametrize("code", [1, 3, 5, 6])
@pytest.mark.parametrize("new", TYPES)
def test_preempt_the_holder(code: int, new: int) -> None:
    outcome = do("PREEMPT", held(code, B), A, key=1, new_key=2, type=new)
    assert outcome.state == State(generation=11, keys={A: 1}, type=TYPES[new], holder=None if new in (7, 8) else A)
    assert outcome.told == dict.fromkeys((B, C), REGISTRATIONS_PREEMPTED)
    assert outcome.preempted == {B, C}


def test_preempt_with_another_type_tells_those_who_stay() -> None:
    outcome = do("PREEMPT", held(5, A), B, key=2, new_key=1, type=6)
    assert outcome.state.keys == {B: 2, C: 2}
    assert outcome.told == {A: REGISTRATIONS_PREEMPTED, C: RESERVATIONS_RELEASED}
    assert do("PREEMPT", held(5, A), B, key=2, new_key=1, type=5).told == {A: REGISTRATIONS_PREEMPTED}


def test_preempt_oneself() -> None:
    outcome = do("PREEMPT", held(5, A), A, key=1, new_key=1, type=3)
    assert (outcome.state.type, outcome.state.holder, outcome.state.keys[A]) == (TYPES[3], A, 1)
    assert outcome.told == dict.fromkeys((B, C), RESERVATIONS_RELEASED)
    assert outcome.preempted == frozenset()


def test_a_holder_preempts_those_with_its_own_key() -> None:
    outcome = do("PREEMPT", held(1, B), B, key=2, new_key=2, type=1)
    assert (outcome.state.keys, outcome.state.holder) == ({A: 1, B: 2}, B)
    assert outcome.told == {C: REGISTRATIONS_PREEMPTED}


@pytest.mark.parametrize("code", [None, 1, 3, 5, 6, 7, 8])
def test_remove_registrations(code: int | None) -> None:
    state = REGISTERED if code is None else held(code, A)
    outcome = do("PREEMPT", state, A, key=1, new_key=2, type=15, scope=3)
    assert outcome.state == replace(state, keys={A: 1}, generation=11), "SCOPE and TYPE are ignored"
    assert outcome.told == dict.fromkeys((B, C), REGISTRATIONS_PREEMPTED)
    assert outcome.preempted == {B, C}


def test_remove_ones_own_registration() -> None:
    outcome = do("PREEMPT", held(5, A), B, key=2, new_key=2)
    assert outcome.state.keys == {A: 1}
    assert outcome.told == {C: REGISTRATIONS_PREEMPTED}


@pytest.mark.parametrize("code", [7, 8])
def test_preempt_all_registrants(code: int) -> None:
    outcome = do("PREEMPT", held(code), B, key=2, new_key=0, type=5)
    assert outcome.state == State(generation=11, keys={B: 2}, type=TYPES[5], holder=B)
    assert outcome.told == dict.fromkeys((A, C), REGISTRATIONS_PREEMPTED)
    last = State(keys={A: 1}, type=TYPES[code])
    assert do("PREEMPT", last, A, key=1, new_key=1).state.type is None


@pytest.mark.parametrize("code", [1, 3, 5, 6])
def test_preempt_nobody(code: int) -> None:
    told = refused("PREEMPT", held(code), B, key=2, new_key=0, type=1)
    assert told == (INVALID_FIELD_IN_PARAMETER_LIST, 8, None)


@pytest.mark.parametrize("code", [None, *TYPES])
def test_preempt_a_key_that_nobody_has(code: int | None) -> None:
    conflicts("PREEMPT", REGISTERED if code is None else held(code), B, key=2, new_key=77, type=1)


# REGISTER AND MOVE, REPLACE LOST RESERVATION


@pytest.mark.parametrize("code", [1, 3, 5, 6])
@pytest.mark.parametrize("destination", [B, Registrant(b"d", 2)])
def test_move(code: int, destination: Registrant) -> None:
    outcome = do("REGISTER AND MOVE", held(code), key=1, new_key=9, destination=destination, persistent=True)
    assert outcome.state == State(11, {**REGISTERED.keys, destination: 9}, TYPES[code], destination, True)
    gone = do("REGISTER AND MOVE", held(code), key=1, new_key=9, destination=destination, unregister=True)
    assert A not in gone.state.keys
    assert (gone.state.holder, gone.state.type, gone.told) == (destination, TYPES[code], {})


def test_move_what_is_not_there() -> None:
    assert refused("REGISTER AND MOVE", REGISTERED, key=1, new_key=9, destination=B)[0] is INVALID_FIELD_IN_CDB


def test_move_what_one_does_not_hold() -> None:
    conflicts("REGISTER AND MOVE", held(5, B), key=1, new_key=9, destination=C)
    conflicts("REGISTER AND MOVE", held(7), key=1, new_key=9, destination=C)


def test_move_without_a_key() -> None:
    told = refused("REGISTER AND MOVE", held(5), key=1, new_key=0, destination=C)
    assert told == (INVALID_FIELD_IN_PARAMETER_LIST, 8, None)


@pytest.mark.parametrize("code", TYPES)
def test_replace(code: int) -> None:
    after = do("REPLACE LOST RESERVATION", held(1), B, new_key=4, type=code, persistent=True).state
    assert after == State(0, {B: 4}, TYPES[code], None if code in (7, 8) else B, True)


def test_replace_with_wrong_keys() -> None:
    conflicts("REPLACE LOST RESERVATION", State(), key=1, new_key=2, type=1)
    told = refused("REPLACE LOST RESERVATION", State(), type=1)
    assert told == (INVALID_FIELD_IN_PARAMETER_LIST, 8, None)


def test_generation_wraps() -> None:
    assert do("REGISTER", State(generation=0xFFFFFFFF), new_key=1).state.generation == 0


# Whatever they are asked


NEXUSES = st.sampled_from((A, B, C, Registrant(b"a", 2)))
REQUESTS = st.builds(
    PersistentReserveOut,
    by=NEXUSES,
    scope=st.sampled_from((0, 0, 0, 1)),
    type=st.sampled_from((*TYPES, *TYPES, 0, 2)),
    key=st.integers(0, 3),
    new_key=st.integers(0, 3),
    persistent=st.booleans(),
    ports=st.sampled_from(((1,), (1, 2))),
    others=st.one_of(st.none(), st.dictionaries(NEXUSES, st.just(28))),
    destination=NEXUSES,
    unregister=st.booleans(),
)


@settings(max_examples=300)
@given(st.lists(st.tuples(st.sampled_from(ACTIONS), REQUESTS), max_size=20))
def test_the_state_is_sound_after_anything(history: list[tuple[Any, PersistentReserveOut]]) -> None:
    state = State()
    for action, request in history:
        before = state
        try:
            outcome = action.perform(state, request)
        except Refused:
            continue
        state = outcome.state
        assert 0 not in state.keys.values()
        if state.type is None:
            assert state.holder is None
        elif state.type.everyone:
            assert state.holder is None
            assert state.keys
        else:
            assert state.holder in state.keys
        assert set(outcome.told) <= set(before.keys)
        assert request.by not in outcome.told
