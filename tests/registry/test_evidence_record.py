"""Evidence records: strict, and honest about what is not a number."""

import json
import math
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemma.backends.database.registry.annotations import pack_number, unpack_number
from stemma.errors import CorruptError, InvalidError, TooLargeError, UnsupportedError
from stemma.records import Digest, canonical
from stemma.registry import Evidence, Measurement
from stemma.registry.records.evidence import MAX_MEASUREMENTS, value_of

ONE = Digest.of(b"one")
names = st.from_regex(r"[a-z]{1,8}", fullmatch=True)
finite = st.floats(allow_nan=False, allow_infinity=False)
measurements = st.builds(
    Measurement,
    names,
    st.floats(),
    st.none() | st.tuples(finite, finite).map(lambda pair: (min(pair), max(pair))),
    st.just("") | names,
)


@given(
    st.lists(measurements, min_size=1, max_size=5, unique_by=lambda item: (item.name, item.slice_name)), st.booleans()
)
def test_reading_is_the_inverse_of_writing(items: list[Measurement], with_dataset: bool) -> None:
    evidence = Evidence("metrics", ONE, 1, tuple(items), ONE if with_dataset else None)
    again = Evidence.decode(evidence.encode())
    assert again.encode() == evidence.encode()
    assert again.digest == evidence.digest
    assert {(item.name, item.slice_name, item.kind, item.interval) for item in again.measurements} == {
        (item.name, item.slice_name, item.kind, item.interval) for item in items
    }


@given(finite)
def test_a_finite_value_comes_back_bit_for_bit(value: float) -> None:
    (again,) = Evidence.decode(Evidence("metrics", ONE, 1, (Measurement("m", value),)).encode()).measurements
    assert struct.pack(">d", again.value) == struct.pack(">d", value + 0.0)


def test_what_is_not_finite_is_a_kind() -> None:
    values = {"nan": math.nan, "+inf": math.inf, "-inf": -math.inf, "finite": 0.5}
    for kind, value in values.items():
        measurement = Measurement("m", value)
        assert measurement.kind == kind
        assert ("value" in measurement.record()) == (kind == "finite")
        again = value_of(kind, 0.5 if kind == "finite" else None)
        assert again == value or math.isnan(value)


@pytest.mark.parametrize(("kind", "value"), [("finite", None), ("finite", math.nan), ("nan", 0.5), ("big", None)])
def test_kind_and_value_must_agree(kind: str, value: float | None) -> None:
    with pytest.raises(InvalidError):
        value_of(kind, value)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Measurement("", 1),
        lambda: Measurement("a\nb", 1),
        lambda: Measurement("m" * 251, 1),
        lambda: Measurement("m", 1, (2, 1)),
        lambda: Measurement("m", 1, (math.nan, 1)),
        lambda: Measurement("m", 1, (0, math.inf)),
        lambda: Evidence("metrics", ONE, 1),
        lambda: Evidence("metrics", ONE, 1, (Measurement("m", 1), Measurement("m", 2))),
        lambda: Evidence("metrics", ONE, 1, (Measurement("m", 1),), statement=ONE),
        lambda: Evidence("impact", ONE, 1),
        lambda: Evidence("impact", ONE, 1, (Measurement("m", 1),), statement=ONE),
        lambda: Evidence("metrics", ONE, -1, (Measurement("m", 1),)),
        lambda: Evidence("metrics", ONE, 1, tuple(Measurement(f"m{n}", 1) for n in range(MAX_MEASUREMENTS + 1))),
    ],
)
def test_what_makes_no_sense_is_refused(make: Any) -> None:  # noqa: ANN401  # one of several calls
    with pytest.raises((InvalidError, TooLargeError)):
        make()


PLAIN: dict[str, Any] = json.loads(Evidence("metrics", ONE, 1, (Measurement("m", 0.5),)).encode())


@pytest.mark.parametrize(
    "change",
    [
        {"more": 1},
        {"kind": "praise"},
        {"kind": ["metrics"]},
        {"version": "x"},
        {"measurements": {}},
        {"measurements": [1]},
        {"measurements": [{"name": "m" * 251, "kind": "nan"}]},
        {"measurements": [{"name": " m", "kind": "nan"}]},
        {"measurements": [{"name": "m", "kind": "finite", "value": "0.5"}]},
        {"measurements": [{"name": "m", "kind": "finite", "value": True}]},
        {"measurements": [{"name": "m", "kind": "finite", "value": 1, "more": 1}]},
        {"measurements": [{"name": "m", "kind": "finite", "value": 1, "interval": [0]}]},
        {"measurements": [{"name": "m", "kind": "finite", "value": 1, "interval": [False, True]}]},
        {"measurements": [{"name": "m", "kind": "nan", "value": 1}]},
        {"measurements": [{"name": "m", "kind": "nan", "value": None}]},
        {"measurements": [{"name": "n", "kind": "nan"}, {"name": "m", "kind": "nan"}]},
        {"dataset": None},
        {"schema": "stemma/version/1"},
        {"schema": 1},
    ],
)
def test_any_deviation_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(CorruptError):
        Evidence.decode(canonical(PLAIN | change))


def test_a_later_schema_asks_for_a_later_release() -> None:
    with pytest.raises(UnsupportedError):
        Evidence.decode(canonical(PLAIN | {"schema": "stemma/evidence/2"}))


@given(st.floats(allow_nan=False), st.floats(allow_nan=False))
def test_packed_numbers_sort_as_numbers(one: float, other: float) -> None:
    assert struct.pack(">d", unpack_number(pack_number(one))) == struct.pack(">d", one)
    if one != other:
        assert (pack_number(one) < pack_number(other)) == (one < other)
