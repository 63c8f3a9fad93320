"""The version: a frozen result, as one record whose digest is its identity.

The record holds what the version is made of and where it came from. It holds no namespace, model, number, metric or
name, so that it can be renamed, copied and synchronised and keep its digest. `docs/spec/versions.md` is the
normative description; reading is strict, and what is unknown is absent, so that one version has one record.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Self

from stemma.errors import CorruptError, InvalidError, UnsupportedError
from stemma.ledger import format_time, parse_time
from stemma.records import Digest, Json, canonical_plain, read_unchecked

SCHEMA = "stemma/version/1"
MAX_PARENTS = 64
MAX_DATASETS = 256
DETACHED = frozenset({"what", "why", "author", "host", "command", "diff"})
"""The texts that a record may commit to."""
_HUB = r"[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?!\.)){0,94}"
_EXTERNAL = re.compile(rf"hf:{_HUB}/{_HUB}@[0-9a-f]{{40}}", re.ASCII)
_OPTIONAL = ("architecture", "environment", "parameters", "pipeline", "run", "signature", "source")
_KEYS = frozenset({"schema", "manifest", "parents", "datasets", "time", "commitments", *_OPTIONAL})
_RECORD_ERRORS = (InvalidError, KeyError, TypeError, ValueError)


class ParentKind(StrEnum):
    """How a version relates to one it came from."""

    CONTINUES = "continues"
    FINE_TUNED_FROM = "fine_tuned_from"
    DISTILLED_FROM = "distilled_from"
    MERGED_FROM = "merged_from"
    QUANTIZED_FROM = "quantized_from"
    ADAPTER_OF = "adapter_of"
    BUILD_OF = "build_of"
    COMPONENT_OF = "component_of"


class DatasetRole(StrEnum):
    """What a dataset version was used for."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"
    CALIBRATION = "calibration"


class External(str):
    """A pinned model that is not hosted here: `hf:org/name@` and the 40 hex digits of a commit."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a pinned outside model; one without its full commit is an InvalidError."""
        if not _EXTERNAL.fullmatch(text):
            raise InvalidError(
                f"{text[:200]!r} does not name a pinned outside model",
                hint="Write hf:ORG/NAME@COMMIT with all 40 hexadecimal digits of the commit.",
            )
        return cls(text)


@dataclass(frozen=True, slots=True)
class Parent:
    """What a version came from: another version's digest, or a pinned outside model."""

    kind: ParentKind
    origin: Digest | External

    @classmethod
    def parse(cls, kind: str, origin: str) -> Self:
        """Read a parent as it stands in a record or was typed."""
        if kind not in set(ParentKind):
            raise InvalidError(f"{kind[:80]!r} is not a kind of parent", hint=f"One of: {', '.join(ParentKind)}.")
        external = not origin.startswith("sha256:")
        return cls(ParentKind(kind), External.parse(origin) if external else Digest.parse(origin))

    def record(self) -> dict[str, Json]:
        """Return the parent as it stands in a record."""
        key = "external" if isinstance(self.origin, External) else "version"
        return {"kind": self.kind.value, key: str(self.origin)}


@dataclass(frozen=True, slots=True)
class DatasetUse:
    """A dataset version and what it was used for."""

    role: DatasetRole
    dataset: Digest


@dataclass(frozen=True, slots=True)
class Version:
    """A frozen result. `time` is in microseconds since the epoch, UTC; None and empty mean unknown.

    `commitments` maps the names of detached texts to their salted commitments. The order of parents is kept: the
    first one is the one that the line continues.
    """

    manifest: Digest
    time: int
    parents: tuple[Parent, ...] = ()
    signature: Digest | None = None
    architecture: Digest | None = None
    parameters: Digest | None = None
    run: Digest | None = None
    datasets: tuple[DatasetUse, ...] = ()
    pipeline: Digest | None = None
    environment: Digest | None = None
    source: Digest | None = None
    commitments: Mapping[str, Digest] = field(default_factory=dict)

    def __post_init__(self) -> None:
        format_time(self.time)
        for what, items, limit in (("parent", self.parents, MAX_PARENTS), ("dataset", self.datasets, MAX_DATASETS)):
            if len(items) > limit:
                raise InvalidError(f"a version has at most {limit} {what}s, not {len(items)}")
            if len(set(items)) != len(items):
                raise InvalidError(f"a {what} is given twice")
        if unknown := set(self.commitments) - DETACHED:
            raise InvalidError(f"{min(unknown)[:80]!r} is not a text that a version commits to")
        object.__setattr__(self, "commitments", MappingProxyType(dict(self.commitments)))

    def __hash__(self) -> int:
        return hash(self.digest)

    @property
    def digest(self) -> Digest:
        """The version's identity."""
        return Digest.of(self.encode())

    @property
    def content(self) -> tuple[Digest, Digest | None, Digest | None]:
        """What a consumer receives: files, interface and architecture; `--if-changed` compares nothing else."""
        return (self.manifest, self.signature, self.architecture)

    def encode(self) -> bytes:
        """Return the canonical bytes of the record."""
        record: dict[str, Json] = {
            "schema": SCHEMA,
            "manifest": str(self.manifest),
            "parents": [parent.record() for parent in self.parents],
            "datasets": [{"role": use.role.value, "version": str(use.dataset)} for use in self.datasets],
            "time": format_time(self.time),
            "commitments": {name: str(commitment) for name, commitment in self.commitments.items()},
        }
        for name in _OPTIONAL:
            value: Digest | None = getattr(self, name)
            if value is not None:
                record[name] = str(value)
        return canonical_plain(record)  # text throughout, under ASCII names

    @classmethod
    def decode(cls, data: bytes, *, place: str = "version record") -> Self:
        """Read a record; one of another schema is an UnsupportedError, any other deviation a CorruptError."""
        record = read_unchecked(data, place=place)
        schema = record.get("schema")
        if schema != SCHEMA and isinstance(schema, str) and schema.startswith("stemma/version/"):
            raise UnsupportedError(f"this release cannot read {schema[:80]!r}", hint="Upgrade stemma.", place=place)
        try:
            version = cls._read(record)
        except _RECORD_ERRORS as error:
            raise CorruptError(f"not a version record: {error}", place=place) from error
        if version.encode() != data:
            raise CorruptError("a version record that says something twice or in another way", place=place)
        return version

    @classmethod
    def _read(cls, record: Mapping[str, Json]) -> Self:
        if unknown := set(record) - _KEYS:
            raise InvalidError(f"unknown field {min(unknown)[:80]!r}")
        if record["schema"] != SCHEMA:
            raise InvalidError("another schema")
        return cls(
            manifest=_digest(record["manifest"]),
            time=parse_time(_text(record["time"])),
            parents=tuple(_read_parent(item) for item in _list(record["parents"])),
            datasets=tuple(_read_dataset(item) for item in _list(record["datasets"])),
            commitments={name: _digest(value) for name, value in _object(record["commitments"]).items()},
            **{name: _digest(record[name]) for name in _OPTIONAL if name in record},
        )


def _read_parent(item: Json) -> Parent:
    fields = _object(item)
    key = "external" if "external" in fields else "version"
    parent = Parent.parse(_text(fields["kind"]), _text(fields[key]))
    if parent.record() != fields:
        raise InvalidError("a parent is a kind and one origin")
    return parent


def _read_dataset(item: Json) -> DatasetUse:
    fields = _object(item)
    if set(fields) != {"role", "version"}:
        raise InvalidError("a dataset is a role and a version")
    return DatasetUse(DatasetRole(_text(fields["role"])), _digest(fields["version"]))


def _digest(value: Json) -> Digest:
    return Digest.parse(_text(value))


def _text(value: Json) -> str:
    if not isinstance(value, str):
        raise InvalidError(f"{value!r:.80} is not text")
    return value


def _list(value: Json) -> list[Json]:
    if not isinstance(value, list):
        raise InvalidError(f"{value!r:.80} is not a list")
    return value


def _object(value: Json) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise InvalidError(f"{value!r:.80} is not an object")
    return value
