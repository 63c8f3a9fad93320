"""Parameters: one record for equal settings, read back exactly, and searching among messages."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemma.backends.database.transaction import Transaction
from stemma.errors import CorruptError, InvalidError, TooLargeError, UnsupportedError
from stemma.ledger import Draft, Thing, append
from stemma.records import MAX_SAFE_INTEGER, Digest, canonical
from stemma.registry import Measurement, Message, Parameter, Submission, Version
from stemma.registry.projection import project
from stemma.registry.records.parameters import MAX_PARAMETERS, decode_parameters, encode_parameters
from tests.databases import change
from tests.registry.support import CREDIT, OWNER, World

pytestmark = pytest.mark.usefixtures("each_database")

NAMES = st.text(st.characters(categories=("L", "N")), min_size=1, max_size=30)
VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-MAX_SAFE_INTEGER, MAX_SAFE_INTEGER)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(categories=("L", "N", "P")), max_size=50)
)


@given(st.dictionaries(NAMES, VALUES, max_size=20))
def test_what_is_kept_comes_back(given_values: dict[str, Parameter]) -> None:
    data = encode_parameters(given_values)
    assert decode_parameters(data) == given_values
    assert encode_parameters(decode_parameters(data)) == data
    assert encode_parameters(dict(reversed(given_values.items()))) == data


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ({"lr": float("nan")}, "lr"),
        ({"lr": float("inf")}, "lr"),
        ({"seed": 2**53}, "beyond 2"),
        ({"": 1}, "empty"),
        ({"a\nb": 1}, "line"),
        ({"a": "\x1b[2J"}, "U\\+001B"),
        ({"a": 1, " a ": 2}, "twice"),
        ({"layers": [1, 2]}, "list"),
    ],
)
def test_a_value_that_cannot_be_kept_is_named(values: dict[str, Any], what: str) -> None:
    with pytest.raises(InvalidError, match=what):
        encode_parameters(values)


def test_there_are_bounds() -> None:
    with pytest.raises(TooLargeError):
        encode_parameters({"x": "y" * 10_000})
    with pytest.raises(TooLargeError):
        encode_parameters({f"p{number}": number for number in range(MAX_PARAMETERS + 1)})


def test_reading_is_strict() -> None:
    plain = json.loads(encode_parameters({"depth": 6}))
    for changed in (
        plain | {"more": 1},
        plain | {"values": []},
        plain | {"values": {"a": [1]}},
        plain | {"values": {" a": 1}},
        plain | {"schema": "stemma/evidence/1"},
    ):
        with pytest.raises(CorruptError):
            decode_parameters(canonical(changed))
    with pytest.raises(UnsupportedError):
        decode_parameters(canonical(plain | {"schema": "stemma/parameters/2"}))


def test_a_version_commits_to_its_parameters_and_is_entered_with_its_metrics() -> None:
    world = World()
    submission = Submission(
        Version(world.files("x"), 0),
        Message("Deeper trees"),
        parameters={"depth": 6, "lr": 0.1, "booster": "gbtree"},
        measurements=(Measurement("auc", 0.914), Measurement("f1", 1.0)),
    )
    made = world.do(lambda tx: world.registry.versions.register(tx, OWNER, CREDIT, submission)).version
    account = world.do(lambda tx: world.registry.versions.show(tx, OWNER, CREDIT, made.digest))
    assert account.parameters == {"depth": 6, "lr": 0.1, "booster": "gbtree"}
    assert world.actions() == ["model.create", "version.register", "version.number", "evidence.add"]
    findings = world.do(lambda tx: world.registry.evidence.findings(tx, OWNER, CREDIT, made.digest))
    assert [(each.measurement.name, each.measurement.value) for each in findings.measured] == [
        ("auc", 0.914),
        ("f1", 1),
    ]


def test_a_record_whose_parameters_are_lost_or_changed_is_not_shown() -> None:
    world = World()
    submission = Submission(Version(world.files("x"), 0), Message("x"), parameters={"depth": 6})
    made = world.do(lambda tx: world.registry.versions.register(tx, OWNER, CREDIT, submission)).version
    record = Digest.of(encode_parameters({"depth": 6}))
    change(world.connection, "UPDATE records SET data = ? WHERE digest = ?", b"{}", record.raw)
    with pytest.raises(CorruptError, match="parameters"):
        world.do(lambda tx: world.registry.versions.show(tx, OWNER, CREDIT, made.digest))


def found(world: World, text: str) -> list[int]:
    page, _ = world.do(lambda tx: world.registry.versions.page(tx, OWNER, CREDIT, text=text))
    return [version.sequence for version in page]


def test_words_of_messages_are_found_in_any_case_and_order() -> None:
    world = World()
    for what in ("Gradient boosting, deeper", "Straße 100% better_now", "BOOSTING again", "nothing"):
        world.push(what=what)
    assert found(world, "boosting") == [3, 1]
    assert found(world, "DEEPER gradient") == [1]
    assert found(world, "strasse") == [2]
    assert found(world, "100%") == [2]
    assert found(world, "%") == [2]
    assert found(world, "r_n") == [2]
    assert found(world, "_") == [2]
    assert found(world, "\\") == []
    assert found(world, "' OR 1=1 --") == []
    with pytest.raises(InvalidError, match="words"):
        found(world, " ")
    with pytest.raises(InvalidError, match="words"):
        found(world, " ".join(map(str, range(100))))


def test_what_is_redacted_is_not_found() -> None:
    world = World()
    made = world.push(what="Trained on Ada's letters").version
    account = world.do(lambda tx: world.registry.versions.show(tx, OWNER, CREDIT, made.digest))
    text = account.version.commitments["what"]

    def redact(tx: Transaction) -> None:
        project(tx, append(tx, Draft("risk", OWNER.actor, "text.redact", Thing("text", text, text))))

    world.do(redact)
    assert found(world, "ada") == []
