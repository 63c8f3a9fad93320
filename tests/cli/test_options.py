"""How arguments are read, on their own."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemma.cli.commands.push import split_parent
from stemma.cli.options import compose, figures, moment_given, pairs
from stemma.errors import InvalidError
from stemma.names import Reference
from stemma.registry.records.version import ParentKind


@pytest.mark.parametrize(
    ("reference", "version_range", "target", "made"),
    [
        ("bank/loans@production", None, None, "bank/loans@production"),
        ("bank/loans", "^1.2", None, "bank/loans@^1.2"),
        ("loans", ">=1.2,<2", "edge", "me/loans@>=1.2,<2?target=edge"),
        ("bank/loans@1.4.0", None, "edge", "bank/loans@1.4.0?target=edge"),
        ("bank/loans", "1.2.3", None, "bank/loans@=1.2.3"),
    ],
)
def test_range_and_target_say_what_quoting_would(
    reference: str, version_range: str | None, target: str | None, made: str
) -> None:
    assert compose(reference, version_range, target) == made
    assert str(Reference.parse(made)) == made


@pytest.mark.parametrize(
    ("reference", "version_range", "target"),
    [
        ("bank/loans@production", "^1.2", None),
        ("bank/loans?target=a", None, "b"),
        ("bank/loans", "newest", None),
        ("bank/loans", None, "../x"),
        ("Bank/Loans", "^1", None),
    ],
)
def test_what_contradicts_itself_is_invalid(reference: str, version_range: str | None, target: str | None) -> None:
    with pytest.raises(InvalidError):
        compose(reference, version_range, target)


@pytest.mark.parametrize(
    ("text", "reference", "kind"),
    [
        ("bank/loans@1.4.0", "bank/loans@1.4.0", "continues"),
        ("bank/loans@1.4.0:merged_from", "bank/loans@1.4.0", "merged_from"),
        ("bank/loans@v3:fine-tuned-from", "bank/loans@v3", "fine_tuned_from"),
        ("sha256:abcdefab", "sha256:abcdefab", "continues"),
        ("bank/loans@sha256:abcdefab", "bank/loans@sha256:abcdefab", "continues"),
        ("bank/loans@sha256:abcdefab:adapter_of", "bank/loans@sha256:abcdefab", "adapter_of"),
        ("hf:org/name@" + "a" * 40, "hf:org/name@" + "a" * 40, "continues"),
        ("hf:org/name@" + "a" * 40 + ":fine_tuned_from", "hf:org/name@" + "a" * 40, "fine_tuned_from"),
    ],
)
def test_a_parent_may_say_how_it_relates(text: str, reference: str, kind: str) -> None:
    assert split_parent(text) == (reference, kind)


def test_a_misspelt_kind_is_answered_with_the_kinds() -> None:
    with pytest.raises(InvalidError, match="'tuned'") as caught:
        split_parent("bank/loans@1.0.0:tuned")
    assert all(kind in caught.value.hint for kind in ParentKind)


@pytest.mark.parametrize(
    ("text", "end_of_day", "moment"),
    [
        ("2026-03-03", True, "2026-03-03T23:59:59.999999Z"),
        ("2026-03-03", False, "2026-03-03T00:00:00.000000Z"),
        ("2024-02-29", True, "2024-02-29T23:59:59.999999Z"),
        ("2026-03-03T14:00:00Z", True, "2026-03-03T14:00:00.000000Z"),
        ("2026-03-03T14:00:00.123456+01:00", True, "2026-03-03T13:00:00.123456Z"),
    ],
)
def test_a_date_means_its_end_in_utc_and_a_time_itself(text: str, end_of_day: bool, moment: str) -> None:
    assert moment_given(text, end_of_day=end_of_day) == moment


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026-13-01",
        "2025-02-29",
        "2026-3-3",
        "2026-03-03T14:00:00",
        "2026-W01-1",
        "2026-03- 3",
        "20260303T140000Z",
        "9999-12-31T23:59:59-01:00",
        "\uff12\uff10\uff12\uff16-03-03",
    ],
)
def test_what_is_no_time_is_invalid(text: str) -> None:
    with pytest.raises(InvalidError, match="time"):
        moment_given(text, end_of_day=True)


@given(st.text(max_size=20))
def test_any_text_is_a_time_or_invalid(text: str) -> None:
    try:
        moment = moment_given(text, end_of_day=True)
    except InvalidError:
        return
    assert moment_given(moment, end_of_day=True) == moment


def test_figures_may_be_any_number() -> None:
    read = figures(("auc=0.81", "loss=1e-3", "worst=inf", "odd=nan"))
    assert (read["auc"], read["loss"], read["worst"]) == (0.81, 0.001, math.inf)
    assert math.isnan(read["odd"])


@pytest.mark.parametrize("items", [("auc",), ("=1",), ("auc=1", "auc=2"), ("auc=high",)])
def test_figures_that_cannot_be_read_are_invalid(items: tuple[str, ...]) -> None:
    with pytest.raises(InvalidError):
        figures(items)


def test_a_value_may_hold_an_equals_sign() -> None:
    assert pairs(("query=a=b", "empty="), "--label") == {"query": "a=b", "empty": ""}
