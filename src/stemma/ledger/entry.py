"""Entries: what the ledger remembers of each change, as values and as canonical bytes.

An entry's bytes are the RFC 8785 form of an object with schema `stemma/entry/1` (docs/spec/ledger.md). Members
that hold nothing are absent, integers lie within ±(2^53 - 1), there are no floats and no personal data: people
are pseudonyms, free text is a commitment. Bytes and entries map one to one: `Entry.decode` refuses everything
that `Entry.encode` would not have written.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Self, TypeAlias, cast, get_args

from stemma.errors import CorruptError, InvalidError, StemmaError, TooLargeError
from stemma.ledger.fields import (
    Fact,
    Members,
    check_action,
    check_fact,
    check_namespace,
    check_text,
    check_token,
    encode_fact,
    format_time,
    parse_time,
    quote,
    required,
)
from stemma.ledger.tree import hash_leaf
from stemma.records import MAX_SAFE_INTEGER, Digest

ActorKind: TypeAlias = Literal["user", "service", "system", "peer"]
Outcome: TypeAlias = Literal["done", "refused"]

SCHEMA = "stemma/entry/1"
MAX_ENTRY = 65_535
"""Bytes of one entry: what the length prefix of a C2SP tlog-tiles entry bundle can say."""

_ACTORS = frozenset(get_args(ActorKind))
_OUTCOMES = frozenset(get_args(Outcome))


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acted, as a pseudonym: names and addresses never enter the ledger.

    `authentication` says how the actor was known (`local`, `token`, `oidc` …), `token` the public id of the token.
    """

    kind: ActorKind
    id: str
    authentication: str = "local"
    token: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in _ACTORS:
            raise InvalidError(f"{self.kind!r} is not a kind of actor", hint="Use user, service, system or peer.")
        check_token(self.id, "actor's pseudonym")
        check_token(self.authentication, "way to authenticate")
        if self.token is not None:
            check_token(self.token, "token's public id")


@dataclass(frozen=True, slots=True)
class Thing:
    """What an entry is about: an id of some kind and, where it is a record or bytes, its digest."""

    kind: str
    id: str
    digest: Digest | None = None

    def __post_init__(self) -> None:
        check_token(self.kind, "kind of thing")
        check_text(self.id, "thing's id")


@dataclass(frozen=True, slots=True)
class Draft:
    """An entry that has no place in a log yet.

    `before` and `after` are digests of what changed, `reason` is the commitment that `commit_text` returned,
    `facts` are particular to the action, `links` name approvals and validations. A malformed one is an InvalidError.
    """

    namespace: str
    actor: Actor
    action: str
    thing: Thing
    before: Digest | None = None
    after: Digest | None = None
    reason: str | None = None
    ticket: str | None = None
    policy: Mapping[str, Fact] | None = None
    request: str | None = None
    outcome: Outcome = "done"
    facts: Mapping[str, Fact] = field(default_factory=dict)
    links: tuple[Digest, ...] = ()
    on_behalf_of: Actor | None = None

    def __post_init__(self) -> None:
        check_namespace(self.namespace)
        check_action(self.action)
        if self.outcome not in _OUTCOMES:
            raise InvalidError(f"{self.outcome!r} is not an outcome", hint="An entry's outcome is done or refused.")
        if self.reason is not None:
            Digest.parse(self.reason)
        if self.ticket is not None:
            check_text(self.ticket, "ticket")
        if self.request is not None:
            check_token(self.request, "request's id")
        if self.facts:
            check_fact(self.facts, "facts")
        if self.policy is not None:
            check_fact(self.policy, "policy")

    @property
    def concerns(self) -> str:
        """The id under which the log lists this: the model that its facts name, else its own thing's."""
        model = self.facts.get("model")
        return model if isinstance(model, str) else self.thing.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry(Draft):
    """A draft in its place: `sequence` counts from 0, `time` is in microseconds since the epoch, UTC.

    `time` never runs backwards within a log; `skewed` says that the clock did, and that `time` is the previous entry's.
    """

    sequence: int
    time: int
    skewed: bool = False

    def __post_init__(self) -> None:
        """Check the place only: what `at` was given has been checked as a draft."""
        if not 0 <= self.sequence <= MAX_SAFE_INTEGER:
            raise InvalidError(f"{self.sequence} is not a sequence number")

    @classmethod
    def at(cls, draft: Draft, *, sequence: int, time: int, skewed: bool) -> Self:
        """Return `draft` in its place."""
        return cls(
            draft.namespace,
            draft.actor,
            draft.action,
            draft.thing,
            draft.before,
            draft.after,
            draft.reason,
            draft.ticket,
            draft.policy,
            draft.request,
            draft.outcome,
            draft.facts,
            draft.links,
            draft.on_behalf_of,
            sequence=sequence,
            time=time,
            skewed=skewed,
        )

    def encode(self) -> bytes:
        """Return the canonical bytes; over `MAX_ENTRY` of them is a TooLargeError."""
        skewed = ',"skewed":true' if self.skewed else ""
        on_behalf_of = "" if self.on_behalf_of is None else f',"on_behalf_of":{_encode_actor(self.on_behalf_of)}'
        text = (
            f'{{"action":"{self.action}","actor":{_encode_actor(self.actor)}'
            f"{_token('after', self.after)}{_token('before', self.before)}"
            f"{_fact('facts', self.facts or None)}{_fact('links', self.links or None)}"
            f',"namespace":"{self.namespace}","object":{_encode_thing(self.thing)}{on_behalf_of}'
            f',"outcome":"{self.outcome}"{_fact("policy", self.policy)}'
            f"{_token('reason', self.reason)}{_token('request', self.request)}"
            f',"schema":"{SCHEMA}","seq":{self.sequence}{skewed}{_fact("ticket", self.ticket)}'
            f',"time":"{format_time(self.time)}"}}'
        )
        data = text.encode()
        if len(data) > MAX_ENTRY:
            raise TooLargeError(f"an entry has at most {MAX_ENTRY} bytes, not {len(data)}")
        return data

    @classmethod
    def decode(cls, data: bytes, *, place: str = "entry") -> Self:
        """Read canonical bytes; anything that `encode` does not write is a CorruptError with `place`."""
        try:
            entry = cls._from_members(Members.read(data))
            again = entry.encode()
        except (StemmaError, ValueError, TypeError, KeyError, RecursionError) as error:
            raise CorruptError(f"not an entry: {error}", place=place) from error
        if again != data:
            raise CorruptError("not the canonical form of an entry", place=place)
        return entry

    @classmethod
    def _from_members(cls, take: Members) -> Self:
        if take.text("schema") != SCHEMA:
            raise InvalidError(f"its schema is not {SCHEMA!r}")
        on_behalf_of = take.object("on_behalf_of")
        draft = Draft(
            take.text("namespace"),
            _decode_actor(required(take.object("actor"), "actor")),
            take.text("action"),
            _decode_thing(required(take.object("object"), "object")),
            take.digest("before"),
            take.digest("after"),
            take.optional_text("reason"),
            take.optional_text("ticket"),
            take.object("policy"),
            take.optional_text("request"),
            cast("Outcome", take.text("outcome")),
            take.object("facts") or {},
            take.digests("links"),
            None if on_behalf_of is None else _decode_actor(on_behalf_of),
        )
        time = parse_time(take.text("time"))
        return cls.at(draft, sequence=take.integer("seq"), time=time, skewed=take.flag("skewed"))

    @property
    def leaf_hash(self) -> bytes:
        """The hash of this entry as a leaf of its log, RFC 6962 section 2.1."""
        return hash_leaf(self.encode())


def _token(name: str, value: str | None) -> str:
    """Return a member whose value needs no escapes."""
    return "" if value is None else f',"{name}":"{value}"'


def _fact(name: str, value: Fact) -> str:
    return "" if value is None else f',"{name}":{encode_fact(value)}'


def _encode_actor(actor: Actor) -> str:
    token = f',"token":"{actor.token}"' if actor.token is not None else ""
    return f'{{"authentication":"{actor.authentication}","id":"{actor.id}","kind":"{actor.kind}"{token}}}'


def _decode_actor(members: Mapping[str, Fact]) -> Actor:
    take = Members(members)
    kind = cast("ActorKind", take.text("kind"))
    return Actor(kind, take.text("id"), take.text("authentication"), take.optional_text("token"))


def _encode_thing(thing: Thing) -> str:
    digest = f'"digest":"{thing.digest}",' if thing.digest is not None else ""
    return f'{{{digest}"id":{quote(thing.id)},"kind":"{thing.kind}"}}'


def _decode_thing(members: Mapping[str, Fact]) -> Thing:
    take = Members(members)
    return Thing(take.text("kind"), take.text("id"), take.digest("digest"))
