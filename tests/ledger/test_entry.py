"""Entries: canonical bytes that map one to one to values, and nothing else that decodes."""

import json
from dataclasses import replace
from typing import Any, cast

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from stemma.errors import CorruptError, InvalidError, TooLargeError
from stemma.ledger import MAX_ENTRY, Actor, ActorKind, Draft, Entry, Fact, Outcome, Thing, format_time, parse_time
from stemma.ledger.tree import hash_leaf
from stemma.records import Digest
from tests.ledger.logs import ALICE, NOW, draft

TOKENS = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._:/-]{0,20}", fullmatch=True)
TEXTS = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=40)
DIGESTS = st.binary(min_size=32, max_size=32).map(Digest.from_raw)
INTEGERS = st.integers(-(2**53) + 1, 2**53 - 1)
FACTS = st.dictionaries(
    TOKENS,
    st.recursive(
        st.none() | st.booleans() | INTEGERS | st.text(st.characters(exclude_categories=["Cs"])),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TOKENS, inner, max_size=3),
        max_leaves=6,
    ),
    max_size=4,
)
ACTORS = st.builds(Actor, st.sampled_from(["user", "service", "system", "peer"]), TOKENS, TOKENS, st.none() | TOKENS)
DRAFTS = st.builds(
    Draft,
    st.sampled_from(["me", "team-a", "_system"]),
    ACTORS,
    st.sampled_from(["alias.set", "version.register", "name.protect"]),
    st.builds(Thing, TOKENS, TEXTS, st.none() | DIGESTS),
    before=st.none() | DIGESTS,
    after=st.none() | DIGESTS,
    reason=st.none() | DIGESTS,
    ticket=st.none() | TEXTS,
    policy=st.none() | FACTS,
    request=st.none() | TOKENS,
    outcome=st.sampled_from(["done", "refused"]),
    facts=FACTS,
    links=st.lists(DIGESTS, max_size=3).map(tuple),
    on_behalf_of=st.none() | ACTORS,
)
TIMES = st.integers(0, 253_402_300_799_999_999)
ENTRIES = st.builds(Entry.at, DRAFTS, sequence=st.integers(0, 2**53 - 1), time=TIMES, skewed=st.booleans())
FULL = Entry.at(
    Draft(
        "team",
        Actor("service", "s_1", "token", "t_9"),
        "alias.set",
        Thing("alias", "production", Digest.of(b"thing")),
        before=Digest.of(b"before"),
        after=Digest.of(b"after"),
        reason=Digest.of(b"reason"),
        ticket='OPS-7 "urgent" ü',
        policy={"effect": "allow", "ids": ["p1"]},
        request="r1",
        facts={"model": "loans", "count": 3},
        links=(Digest.of(b"approval"),),
        on_behalf_of=ALICE,
    ),
    sequence=7,
    time=NOW,
    skewed=True,
)


@given(ENTRIES)
def test_decoding_undoes_encoding(entry: Entry) -> None:
    data = entry.encode()

    assert Entry.decode(data) == entry
    assert entry.leaf_hash == hash_leaf(data)


@given(ENTRIES)
def test_the_bytes_are_those_of_another_implementation_of_rfc_8785(entry: Entry) -> None:
    data = entry.encode()
    assert data == rfc8785.dumps(json.loads(data))


def test_the_members_of_a_full_entry() -> None:
    assert json.loads(FULL.encode()) == {
        "action": "alias.set",
        "actor": {"authentication": "token", "id": "s_1", "kind": "service", "token": "t_9"},
        "after": Digest.of(b"after"),
        "before": Digest.of(b"before"),
        "facts": {"count": 3, "model": "loans"},
        "links": [Digest.of(b"approval")],
        "namespace": "team",
        "object": {"digest": Digest.of(b"thing"), "id": "production", "kind": "alias"},
        "on_behalf_of": {"authentication": "local", "id": "u_3f9c", "kind": "user"},
        "outcome": "done",
        "policy": {"effect": "allow", "ids": ["p1"]},
        "reason": Digest.of(b"reason"),
        "request": "r1",
        "schema": "stemma/entry/1",
        "seq": 7,
        "skewed": True,
        "ticket": 'OPS-7 "urgent" ü',
        "time": "2026-09-21T14:13:20.000000Z",
    }


def test_every_flipped_bit_of_an_entry_is_refused_or_another_entry() -> None:
    data = FULL.encode()
    for at in range(len(data)):
        for bit in range(8):
            changed = bytearray(data)
            changed[at] ^= 1 << bit
            try:
                entry = Entry.decode(bytes(changed))
            except CorruptError:
                continue
            assert entry != FULL
            assert entry.encode() == changed


def changed(**members: object) -> bytes:
    """Return the full entry with other members, canonical for its JSON; None removes one."""
    value = {**json.loads(FULL.encode()), **members}
    return rfc8785.dumps({name: item for name, item in value.items() if item is not None})


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"\xff",
        b"[" * 60_000,
        FULL.encode() + b"\n",
        b" " + FULL.encode(),
        FULL.encode()[:-1],
        FULL.encode().replace(b'"seq":7', b'"seq":07'),
        FULL.encode().replace(b'"seq":7', b'"seq":7.0'),
        FULL.encode().replace(b'"seq":7', b'"seq":7,"seq":7'),
        FULL.encode().replace(b'"count":3', b'"count":NaN'),
        FULL.encode().replace(b'"count":3', b'"count":' + b"3" * 5000),
        FULL.encode().replace(b"urgent", b"\\u0075rgent"),
        changed(approved_by="u_1"),
        changed(schema="stemma/entry/2"),
        changed(seq=True),
        changed(seq="7"),
        changed(seq=-1),
        changed(skewed=False),
        changed(skewed=1),
        changed(time="2026-09-21T14:13:20Z"),
        changed(time="2026-13-21T14:13:20.000000Z"),
        changed(time="1969-09-21T14:13:20.000000Z"),
        changed(time=NOW),
        changed(actor=None),
        changed(actor="u_1"),
        changed(actor={"authentication": "local", "id": "u_1", "kind": "root"}),
        changed(actor={"authentication": "local", "id": "u_1", "kind": "user", "name": "Ada"}),
        changed(actor={"id": "u_1", "kind": "user"}),
        changed(object={"id": 3, "kind": "alias"}),
        changed(facts={}),
        changed(facts=[]),
        changed(facts={"ratio": 0.5}),
        changed(links=[]),
        changed(links=["x"]),
        changed(links=[3]),
        changed(reason="because"),
        changed(before="sha256:12"),
        changed(outcome="perhaps"),
        changed(namespace="A B"),
        changed(action="delete"),
        changed(ticket=""),
        changed(ticket="a\u202eb"),
        changed(request="a b"),
    ],
    ids=lambda data: data[:40].decode("latin-1"),
)
def test_what_encode_does_not_write_is_refused_with_its_place(data: bytes) -> None:
    with pytest.raises(CorruptError) as caught:
        Entry.decode(data, place="entry 7 of team")
    assert caught.value.place == "entry 7 of team"


@pytest.mark.parametrize(
    "change",
    [
        {"namespace": "Team"},
        {"namespace": "_other"},
        {"action": "set"},
        {"action": "alias.Set"},
        {"outcome": "perhaps"},
        {"reason": "it was broken"},
        {"ticket": "two\nlines"},
        {"ticket": "x" * 513},
        {"request": "ada@example.org"},
        {"facts": {"ratio": 0.5}},
        {"facts": {"big": 2**53}},
        {"facts": {"a b": 1}},
        {"facts": {"text": "\ud800"}},
        {"facts": {"bytes": b"x"}},
        {"facts": {"deep": [[[[[[[[1]]]]]]]]}},
        {"policy": {"score": float("nan")}},
    ],
    ids=str,
)
def test_a_malformed_draft_cannot_be_made(change: dict[str, Any]) -> None:
    with pytest.raises(InvalidError):
        replace(draft(), **change)


@pytest.mark.parametrize("pseudonym", ["", "ada@example.org", "Ada Lovelace", "x" * 129, 'a"b', "é"])
def test_an_actor_is_a_pseudonym(pseudonym: str) -> None:
    with pytest.raises(InvalidError):
        Actor("user", pseudonym)


def test_kinds_and_outcomes_are_closed_sets() -> None:
    with pytest.raises(InvalidError):
        Actor(cast("ActorKind", "root"), "u_1")
    with pytest.raises(InvalidError):
        replace(draft(), outcome=cast("Outcome", ""))


def test_an_entry_fits_in_a_bundle() -> None:
    def sized(count: int) -> Entry:
        return Entry.at(replace(draft(), facts={"text": "x" * count}), sequence=0, time=NOW, skewed=False)

    room = MAX_ENTRY - len(sized(0).encode())
    assert len(sized(room).encode()) == MAX_ENTRY
    with pytest.raises(TooLargeError):
        sized(room + 1).encode()


@pytest.mark.parametrize(("facts", "concerns"), [({}, "production-0"), ({"model": "loans"}, "loans")])
def test_an_entry_concerns_its_model_or_its_thing(facts: dict[str, Fact], concerns: str) -> None:
    assert replace(draft(), facts=facts).concerns == concerns


@given(TIMES)
def test_times_print_and_parse(time: int) -> None:
    assert parse_time(format_time(time)) == time


@pytest.mark.parametrize(("time", "text"), [(0, "1970-01-01T00:00:00.000000Z"), (1, "1970-01-01T00:00:00.000001Z")])
def test_printed_times(time: int, text: str) -> None:
    assert format_time(time) == text


@pytest.mark.parametrize("time", [-1, 253_402_300_800_000_000])
def test_times_outside_the_calendar(time: int) -> None:
    with pytest.raises(InvalidError):
        format_time(time)
