"""Labels, evidence and its measurements, and the copies of detached texts among them, on a database.

A number is kept as eight bytes that sort as the numbers do: IEEE 754 big-endian with the sign turned over.
"""

import struct
from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update

from stemma.backends.database.dialect import Connection, Statement, upsert
from stemma.backends.database.registry.models import digest, raw
from stemma.backends.database.registry.tables import (
    evidence,
    labels,
    measurements,
    messages,
    models,
    of_model,
    versions,
)
from stemma.backends.database.registry.versions import VERSION, registration
from stemma.names import ModelName
from stemma.records import Digest
from stemma.registry import EvidenceEntry, Label, Measurement, Registration
from stemma.registry.records.evidence import value_of

_ALL_BITS = (1 << 64) - 1
_SIGN = 1 << 63

_OF_THING = (*of_model(labels), labels.c.sequence == bindparam("number"))
_PUT = Statement(upsert(labels, ("namespace", "model", "sequence", "key"), ("value", "text")))
_REMOVE = Statement(delete(labels).where(*_OF_THING, labels.c.key == bindparam("called")))
_LABELS = Statement(select(labels.c.key, labels.c.value, labels.c.text).where(*_OF_THING).order_by(labels.c.key))
_ON_MODELS = (
    select(labels.c.model)
    .where(
        labels.c.namespace == bindparam("space"),
        labels.c.key == bindparam("called"),
        labels.c.sequence == 0,
        labels.c.model > bindparam("after"),
    )
    .order_by(labels.c.model)
    .limit(bindparam("size"))
)
_ON_VERSIONS = (
    VERSION.join(
        labels,
        (labels.c.namespace == versions.c.namespace)
        & (labels.c.model == versions.c.model)
        & (labels.c.sequence == versions.c.sequence),
    )
    .where(*of_model(labels), labels.c.key == bindparam("called"), labels.c.sequence < bindparam("before"))
    .order_by(labels.c.sequence.desc())
    .limit(bindparam("size"))
)
_VALUE = labels.c.value == bindparam("held")
_MODELS, _MODELS_WITH = Statement(_ON_MODELS), Statement(_ON_MODELS.where(_VALUE))
_VERSIONS, _VERSIONS_WITH = Statement(_ON_VERSIONS), Statement(_ON_VERSIONS.where(_VALUE))

_ENTRY = (
    evidence.c.namespace,
    evidence.c.model,
    evidence.c.sequence,
    evidence.c.digest,
    evidence.c.kind,
    evidence.c.time,
    evidence.c.actor,
    evidence.c.position,
    evidence.c.dataset,
    evidence.c.statement,
)
_OF_VERSION = (*of_model(evidence), evidence.c.sequence == bindparam("number"))
_ADD = Statement(insert(evidence))
_HAS = Statement(select(evidence.c.position).where(*_OF_VERSION, evidence.c.digest == bindparam("record")))
_PAGE = Statement(
    select(*_ENTRY)
    .where(*_OF_VERSION, evidence.c.position > bindparam("after"))
    .order_by(evidence.c.position)
    .limit(bindparam("size"))
)
_STATEMENTS = Statement(
    select(evidence.c.statement)
    .where(*_OF_VERSION, evidence.c.statement.is_not(None))
    .order_by(evidence.c.position)
    .limit(bindparam("size"))
)
_MEASURE = Statement(insert(measurements))
_MEASURED = Statement(
    select(
        *_ENTRY,
        measurements.c.name,
        measurements.c.slice,
        measurements.c.kind,
        measurements.c.value,
        measurements.c.low,
        measurements.c.high,
    )
    .join_from(
        evidence,
        measurements,
        (measurements.c.namespace == evidence.c.namespace)
        & (measurements.c.model == evidence.c.model)
        & (measurements.c.sequence == evidence.c.sequence)
        & (measurements.c.position == evidence.c.position),
    )
    .where(*_OF_VERSION)
    .order_by(evidence.c.position.desc(), measurements.c.name, measurements.c.slice)
    .limit(bindparam("size"))
)

_REDACT_LABELS = Statement(update(labels).where(labels.c.text == bindparam("of")).values(value=None))
_REDACT_MESSAGES = Statement(update(messages).where(messages.c.text == bindparam("of")).values(folded=None))
_REDACT_TITLES = Statement(
    update(models).where(models.c.title_text == bindparam("of")).values(title=None, title_key=None)
)


class DatabaseLabels:
    """`LabelStore` on a database."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def put(self, label: Label) -> None:
        """Set a label."""
        here = {"namespace": label.model.namespace, "model": label.model.name, "sequence": label.sequence}
        self._connection.send(_PUT, **here, key=label.key, value=label.value, text=label.text.raw)

    def remove(self, model: ModelName, sequence: int, key: str) -> None:
        """Delete a label."""
        self._connection.send(_REMOVE, space=model.namespace, of=model.name, number=sequence, called=key)

    def of(self, model: ModelName, sequence: int) -> Sequence[Label]:
        """Return all labels of one thing."""
        rows = self._connection.all(_LABELS, space=model.namespace, of=model.name, number=sequence)
        return [Label(model, sequence, key, value, Digest.from_raw(text)) for key, value, text in rows]

    def models(self, namespace: str, key: str, value: str | None, after: str, limit: int) -> Sequence[str]:
        """Return names of models that carry a label."""
        here = {"space": namespace, "called": key, "after": after, "size": limit}
        if value is None:
            rows = self._connection.all(_MODELS, **here)
        else:
            rows = self._connection.all(_MODELS_WITH, **here, held=value)
        return [name for (name,) in rows]

    def versions(
        self, model: ModelName, key: str, value: str | None, before: int, limit: int
    ) -> Sequence[Registration]:
        """Return versions that carry a label, newest first."""
        here = {"space": model.namespace, "of": model.name, "called": key, "before": before, "size": limit}
        if value is None:
            rows = self._connection.all(_VERSIONS, **here)
        else:
            rows = self._connection.all(_VERSIONS_WITH, **here, held=value)
        return [registration(row) for row in rows]


class DatabaseEvidence:
    """`EvidenceStore` on a database."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def add(self, entry: EvidenceEntry, measurements: Sequence[Measurement]) -> None:
        """Add evidence."""
        here = {
            "namespace": entry.model.namespace,
            "model": entry.model.name,
            "sequence": entry.sequence,
            "position": entry.position,
        }
        self._connection.send(
            _ADD,
            **here,
            digest=entry.digest.raw,
            kind=entry.kind,
            time=entry.time,
            actor=entry.actor,
            dataset=raw(entry.dataset),
            statement=raw(entry.statement),
        )
        self._connection.run_many(_MEASURE, [here | _columns(measurement) for measurement in measurements])

    def has(self, model: ModelName, sequence: int, digest: Digest) -> bool:
        """Return whether the version has this record."""
        here = {"space": model.namespace, "of": model.name, "number": sequence}
        return self._connection.one(_HAS, **here, record=digest.raw) is not None

    def page(self, model: ModelName, sequence: int, after: int, limit: int) -> Sequence[EvidenceEntry]:
        """Return evidence about a version, oldest first."""
        here = {"space": model.namespace, "of": model.name, "number": sequence}
        return [_entry(row) for row in self._connection.all(_PAGE, **here, after=after, size=limit)]

    def statements(self, model: ModelName, sequence: int, limit: int) -> Sequence[Digest]:
        """Return commitments to what evidence says in words."""
        here = {"space": model.namespace, "of": model.name, "number": sequence}
        return [Digest.from_raw(text) for (text,) in self._connection.all(_STATEMENTS, **here, size=limit)]

    def measurements(self, model: ModelName, sequence: int, limit: int) -> Sequence[tuple[EvidenceEntry, Measurement]]:
        """Return measurements and the evidence they stand in."""
        here = {"space": model.namespace, "of": model.name, "number": sequence}
        rows = self._connection.all(_MEASURED, **here, size=limit)
        return [(_entry(row[: len(_ENTRY)]), _measurement(row[len(_ENTRY) :])) for row in rows]


class DatabaseRedactions:
    """`RedactionStore` on a database."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def redact(self, text: Digest) -> None:
        """Forget every copy of this text."""
        self._connection.send(_REDACT_LABELS, of=text.raw)
        self._connection.send(_REDACT_TITLES, of=text.raw)
        self._connection.send(_REDACT_MESSAGES, of=text.raw)


def pack_number(value: float) -> bytes:
    """Return eight bytes that compare as numbers do; not for NaN."""
    bits: int = struct.unpack(">Q", struct.pack(">d", value))[0]
    return (bits ^ (_ALL_BITS if bits & _SIGN else _SIGN)).to_bytes(8, "big")


def unpack_number(data: bytes) -> float:
    """Return the number that `pack_number` packed."""
    bits = int.from_bytes(data, "big")
    value: float = struct.unpack(">d", (bits ^ (_SIGN if bits & _SIGN else _ALL_BITS)).to_bytes(8, "big"))[0]
    return value


def _columns(measurement: Measurement) -> dict[str, object]:
    low, high = (None, None) if measurement.interval is None else map(pack_number, measurement.interval)
    return {
        "name": measurement.name,
        "slice": measurement.slice_name,
        "kind": measurement.kind,
        "value": pack_number(measurement.value) if measurement.kind == "finite" else None,
        "low": low,
        "high": high,
    }


def _measurement(row: tuple[Any, ...]) -> Measurement:
    name, slice_name, kind, value, low, high = row
    interval = None if low is None else (unpack_number(low), unpack_number(high))
    return Measurement(name, value_of(kind, None if value is None else unpack_number(value)), interval, slice_name)


def _entry(row: tuple[Any, ...]) -> EvidenceEntry:
    namespace, model, sequence, identity, kind, time, actor, position, dataset, statement = row
    name = ModelName(namespace, model)
    return EvidenceEntry(
        name, sequence, Digest.from_raw(identity), kind, time, actor, position, digest(dataset), digest(statement)
    )
