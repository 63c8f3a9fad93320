"""Pins: what is remembered of logs, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemma.errors import CorruptError
from stemma.ledger.evidence.checkpoint import Checkpoint
from stemma.ledger.evidence.pins import Pin, Pins, fingerprints_of
from stemma.ledger.tree import root_of
from tests.ledger.logs import keys


@given(
    st.dictionaries(
        st.sampled_from(["stemma/1/team", "stemma/2/team", "example.com/log"]),
        st.builds(
            Pin, st.just(fingerprints_of(keys())), st.integers(1, 2**53 - 1), st.binary(min_size=32, max_size=32)
        ),
    )
)
def test_pins_print_and_parse(logs: dict[str, Pin]) -> None:
    pins = Pins(logs)
    assert Pins.parse(pins.encode(), place="pins") == pins


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b'{"logs":{},"schema":"stemma/pins/2"}',
        b'{"logs":[],"schema":"stemma/pins/1"}',
        b'{"logs":{},"schema":"stemma/pins/1","x":1}',
        b'{"logs":{},"schema":"stemma/pins/1"} ',
        b'{"logs":{"o":{"keys":[],"root":"00","size":1}},"schema":"stemma/pins/1"}',
        b'{"logs":{"o":{"keys":["x"],"root":"' + b"00" * 32 + b'","size":1}},"schema":"stemma/pins/1"}',
        b'{"logs":{"o":{"keys":[],"root":"' + b"0A" * 32 + b'","size":1}},"schema":"stemma/pins/1"}',
        b'{"logs":{"o":{"keys":[],"root":"' + b"00" * 32 + b'","size":0}},"schema":"stemma/pins/1"}',
    ],
)
def test_what_is_not_pins_is_refused(data: bytes) -> None:
    with pytest.raises(CorruptError) as caught:
        Pins.parse(data, place="pins.json")
    assert caught.value.place == "pins.json"


def test_pins_remember_the_last_root() -> None:
    first = Pins().seen(Checkpoint("stemma/1/team", 1, bytes(32)), keys())
    second = first.seen(Checkpoint("stemma/1/team", 2, root_of([bytes(32)])), keys())
    assert list(second.logs) == ["stemma/1/team"]
    assert second.logs["stemma/1/team"].size == 2
    assert second.of_repository("stemma/1") == second.logs
    assert second.of_repository("stemma/12") == {}
