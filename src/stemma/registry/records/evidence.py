"""Evidence: records that say something about a version after it was made.

`metrics` evidence holds measured values on one dataset version; `impact` evidence holds what its author says the
version does to those who use it. A metric's value is a number, or is NaN or infinite and then only its kind is
kept; NaN satisfies no comparison. `docs/spec/versions.md` is normative.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Self, TypeAlias, cast, get_args

from stemma.errors import CorruptError, InvalidError, TooLargeError, UnsupportedError
from stemma.ledger import format_time, parse_time
from stemma.records import MAX_SAFE_INTEGER, Digest, Json, canonical, read_unchecked
from stemma.registry.records.message import clean_line

SCHEMA = "stemma/evidence/1"
MAX_MEASUREMENTS = 10_000
MAX_METRIC_NAME = 250
_KEYS = frozenset({"schema", "kind", "version", "time", "dataset", "run", "measurements", "statement"})
_MEASUREMENT_KEYS = frozenset({"name", "kind", "value", "interval", "slice"})
_KINDS = {"nan": math.nan, "+inf": math.inf, "-inf": -math.inf}
EvidenceKind: TypeAlias = Literal["metrics", "impact"]


@dataclass(frozen=True, slots=True)
class Measurement:
    """One metric: `interval` is the confidence interval, `slice_name` the part of the dataset, '' for all of it."""

    name: str
    value: float
    interval: tuple[float, float] | None = None
    slice_name: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", clean_line(self.name, "metric's name", limit=MAX_METRIC_NAME))
        object.__setattr__(self, "value", float(self.value) + 0.0)  # JSON has no negative zero
        if self.slice_name:
            object.__setattr__(self, "slice_name", clean_line(self.slice_name, "slice", limit=MAX_METRIC_NAME))
        if self.interval is not None:
            low, high = self.interval
            if not (math.isfinite(low) and math.isfinite(high) and low <= high):
                raise InvalidError(f"[{low}, {high}] is not an interval", place=self.name)
            object.__setattr__(self, "interval", (float(low) + 0.0, float(high) + 0.0))

    @property
    def kind(self) -> str:
        """`finite`, `nan`, `+inf` or `-inf`."""
        if math.isfinite(self.value):
            return "finite"
        return "nan" if math.isnan(self.value) else ("+inf" if self.value > 0 else "-inf")

    def record(self) -> dict[str, Json]:
        """Return the measurement as it stands in a record."""
        record: dict[str, Json] = {"name": self.name, "kind": self.kind}
        if math.isfinite(self.value):
            record["value"] = _shortest(self.value)
        if self.interval is not None:
            record["interval"] = [_shortest(bound) for bound in self.interval]
        if self.slice_name:
            record["slice"] = self.slice_name
        return record


def _shortest(value: float) -> float:
    """Return a whole number as an integer, which has the same canonical form and is written faster."""
    return int(value) if value.is_integer() and abs(value) <= MAX_SAFE_INTEGER else value


def value_of(kind: str, value: float | None) -> float:
    """Return the number that a kind and a value (None unless finite) stand for; else an InvalidError."""
    if kind == "finite" and value is not None and math.isfinite(value):
        return float(value)
    if kind in _KINDS and value is None:
        return _KINDS[kind]
    raise InvalidError(f"kind {kind[:20]!r} and value {value!r} do not go together")


@dataclass(frozen=True, slots=True)
class Evidence:
    """A record about the version with digest `version`; `statement` commits to the text of an impact."""

    kind: EvidenceKind
    version: Digest
    time: int
    measurements: tuple[Measurement, ...] = ()
    dataset: Digest | None = None
    run: Digest | None = None
    statement: Digest | None = None

    def __post_init__(self) -> None:
        format_time(self.time)
        if len(self.measurements) > MAX_MEASUREMENTS:
            raise InvalidError(f"at most {MAX_MEASUREMENTS} metrics at once, not {len(self.measurements)}")
        keys = [(item.name, item.slice_name) for item in self.measurements]
        if len(set(keys)) != len(keys):
            raise InvalidError("a metric is given twice for one slice")
        is_metrics = self.kind == "metrics"
        if is_metrics != bool(self.measurements) or is_metrics == (self.statement is not None):
            raise InvalidError("metrics evidence holds measurements, impact evidence a statement, and nothing else")

    @property
    def digest(self) -> Digest:
        """The record's identity."""
        return Digest.of(self.encode())

    def encode(self) -> bytes:
        """Return the canonical bytes of the record; measurements stand by name and slice."""
        record: dict[str, Json] = {
            "schema": SCHEMA,
            "kind": self.kind,
            "version": str(self.version),
            "time": format_time(self.time),
        }
        if self.measurements:
            ordered = sorted(self.measurements, key=lambda item: (item.name, item.slice_name))
            record["measurements"] = [item.record() for item in ordered]
        for name in ("dataset", "run", "statement"):
            value: Digest | None = getattr(self, name)
            if value is not None:
                record[name] = str(value)
        return canonical(record)

    @classmethod
    def decode(cls, data: bytes, *, place: str = "evidence record") -> Self:
        """Read a record; one of another schema is an UnsupportedError, any other deviation a CorruptError."""
        record = read_unchecked(data, place=place)
        schema = record.get("schema")
        if schema != SCHEMA and isinstance(schema, str) and schema.startswith("stemma/evidence/"):
            raise UnsupportedError(f"this release cannot read {schema[:80]!r}", hint="Upgrade stemma.", place=place)
        try:
            evidence = cls._read(record)
        except (InvalidError, TooLargeError, KeyError, TypeError, ValueError) as error:
            raise CorruptError(f"not an evidence record: {error}", place=place) from error
        if evidence.encode() != data:
            raise CorruptError("an evidence record that says something twice or in another way", place=place)
        return evidence

    @classmethod
    def _read(cls, record: Mapping[str, Json]) -> Self:
        if record["schema"] != SCHEMA or set(record) - _KEYS:
            raise InvalidError("another schema, or unknown fields")
        if record["kind"] not in get_args(EvidenceKind):
            raise InvalidError(f"unknown kind {record['kind']!r:.80}")
        items = record.get("measurements", [])
        if not isinstance(items, list):
            raise InvalidError("measurements is not a list")
        optional = {name: Digest.parse(str(record[name])) for name in ("dataset", "run", "statement") if name in record}
        return cls(
            kind=cast("EvidenceKind", record["kind"]),
            version=Digest.parse(str(record["version"])),
            time=parse_time(str(record["time"])),
            measurements=tuple(_read_measurement(item) for item in items),
            **optional,
        )


def _read_measurement(item: Json) -> Measurement:
    if not isinstance(item, dict) or set(item) - _MEASUREMENT_KEYS:
        raise InvalidError("a measurement has unknown fields")
    value = item.get("value")
    interval = item.get("interval")
    match interval:
        case None:
            pair = None
        case [int() | float() as low, int() | float() as high] if not isinstance(low, bool) and not isinstance(
            high, bool
        ):
            pair = (float(low), float(high))
        case _:
            raise InvalidError("an interval is two numbers")
    if isinstance(value, bool) or not isinstance(value, int | float | None):
        raise InvalidError(f"{value!r:.80} is not a number")
    return Measurement(str(item["name"]), value_of(str(item["kind"]), value), pair, str(item.get("slice", "")))
