"""Page tokens: what was issued comes back, and nothing else is taken."""

import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemma.errors import InvalidError, TooLargeError
from stemma.paging import DEFAULT_LIMIT, MAX_LIMIT, MAX_TOKEN, Page, Pager, check_limit, split_page
from stemma.records import Json, canonical

PAGER = Pager(bytes(range(32)))
TEXT = st.text(st.characters(codec="utf-8"), max_size=20)
POSITIONS: st.SearchStrategy[Json] = st.lists(
    TEXT | st.integers(-(2**53) + 1, 2**53 - 1) | st.none() | st.floats(allow_nan=False, allow_infinity=False),
    max_size=4,
)


@given(POSITIONS, TEXT, TEXT)
def test_a_token_brings_its_position_back(position: Json, query: str, caller: str) -> None:
    token = PAGER.issue(position, query=query, caller=caller)
    assert PAGER.read(token, query=query, caller=caller) == position
    assert token.isascii()
    assert set(token) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")


@given(POSITIONS, TEXT, TEXT, TEXT, TEXT)
def test_a_token_is_good_for_one_query_of_one_caller(
    position: Json, query: str, caller: str, other_query: str, other_caller: str
) -> None:
    token = PAGER.issue(position, query=query, caller=caller)
    if (query, caller) == (other_query, other_caller):
        other_caller += "x"
    with pytest.raises(InvalidError, match="another query or caller"):
        PAGER.read(token, query=other_query, caller=other_caller)


def test_query_and_caller_cannot_be_shifted_into_each_other() -> None:
    token = PAGER.issue([1], query="ab", caller="c")
    for query, caller in [("a", "bc"), ("", "abc"), ("abc", ""), ("c", "ab"), ('ab","c', ""), ("ab\0", "c")]:
        with pytest.raises(InvalidError):
            PAGER.read(token, query=query, caller=caller)


def test_every_changed_cut_or_lengthened_token_is_refused() -> None:
    token = PAGER.issue(["loans", 7], query="q", caller="c")
    forged = {token[:index] + sign + token[index + 1 :] for index in range(len(token)) for sign in "Aa0-_=+/ \n"}
    forged |= {token[:index] for index in range(len(token))}
    forged |= {token + sign for sign in "A=\n "} | {" " + token, token + "==", token + token}
    for text in forged - {token}:
        with pytest.raises(InvalidError) as caught:
            PAGER.read(text, query="q", caller="c")
        assert "unchanged" in caught.value.hint


def test_another_key_and_a_truncated_code_forge_nothing() -> None:
    body = canonical([10**9])
    with pytest.raises(InvalidError):
        PAGER.read(Pager(b"x" * 32).issue([10**9], query="q", caller="c"), query="q", caller="c")
    bound = canonical(["q", "c"])
    unkeyed = hmac.digest(bytes(32), len(bound).to_bytes(4, "big") + bound + body, hashlib.sha256)
    for code in (b"", bytes(16), unkeyed[:16], unkeyed[:8]):
        token = base64.urlsafe_b64encode(code + body).decode().rstrip("=")
        with pytest.raises(InvalidError):
            PAGER.read(token, query="q", caller="c")


@pytest.mark.parametrize(
    "token", ["", "A", "!", "\u00e9", "\ud800", "\0", "null", "%2e", "A" * (MAX_TOKEN + 1), "A" * 10**7]
)
def test_hostile_tokens_are_refused(token: str) -> None:
    with pytest.raises(InvalidError, match="page token") as caught:
        PAGER.read(token, query="q", caller="c")
    assert len(str(caught.value)) < 200


def test_what_no_token_can_hold_is_not_issued() -> None:
    with pytest.raises(TooLargeError, match=str(MAX_TOKEN)):
        PAGER.issue("x" * MAX_TOKEN, query="q", caller="c")


def test_the_key_has_a_least_length_and_is_not_shown() -> None:
    with pytest.raises(InvalidError, match="at least 16 bytes, not 6"):
        Pager(b"secret")
    assert repr(Pager(b"secret secret secret")) == "Pager()"


@pytest.mark.parametrize("limit", [-1, 0, MAX_LIMIT + 1, 10**9, -(2**63)])
def test_limits_out_of_bounds_are_refused(limit: int) -> None:
    with pytest.raises(InvalidError, match=f"1 to {MAX_LIMIT} items, not {limit}"):
        check_limit(limit)


def test_limits() -> None:
    assert check_limit(None) == DEFAULT_LIMIT
    assert [check_limit(limit) for limit in (1, MAX_LIMIT)] == [1, MAX_LIMIT]


@given(st.integers(0, 50), st.integers(1, 7))
def test_following_the_tokens_lists_everything_once(total: int, limit: int) -> None:
    rows = list(range(total))
    seen: list[int] = []
    token: str | None = None
    while True:
        behind = PAGER.read(token, query="q", caller="c") if token else -1
        assert isinstance(behind, int)
        read = [row for row in rows if row > behind][: limit + 1]
        items, more = split_page(read, limit)
        page = Page(items, PAGER.issue(items[-1], query="q", caller="c") if more else None)
        assert page.truncated == more
        assert len(page.items) <= limit
        seen += page.items
        token = page.next_token
        if token is None:
            break
    assert seen == rows
