"""Addresses of servers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemma.client.address import Address, is_address
from stemma.errors import InvalidError


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("https://models.example", "https://models.example"),
        ("https://models.example/", "https://models.example"),
        ("https://models.example:443/a/b/", "https://models.example/a/b"),
        ("http://localhost:8470", "http://localhost:8470"),
        ("HTTP://LocalHost", "http://localhost"),
        ("http://[::1]:8470/x", "http://[::1]:8470/x"),
        ("https://10.0.0.7:8443", "https://10.0.0.7:8443"),
    ],
)
def test_an_address_is_printed_in_one_way(text: str, printed: str) -> None:
    assert str(Address.parse(text)) == printed
    assert str(Address.parse(printed)) == printed


@pytest.mark.parametrize(
    "text",
    """
    ftp://models.example https:// https://:443 https://a:0 https://a:99999 https://a:port https://a/?x=1 https://a/#f
    https://a/../b https://a/b%2f..%2fc https://a//b https://a\\b https://a\tb file:///etc/passwd javascript://x
    https://a/\x00 https://a@ https://ä.example https://[::1 https://a;b/ https://a/b;c https://a/./b
    """.split(" "),
)
def test_what_is_no_address_is_refused(text: str) -> None:
    if text.strip():
        with pytest.raises(InvalidError):
            Address.parse(text.strip("\n "))


def test_a_secret_in_an_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(InvalidError) as refused:
        Address.parse("https://ada:stm_1_secret@models.example/")
    assert "secret" not in str(refused.value) + refused.value.hint
    assert "STEMMA_TOKEN" in refused.value.hint


@pytest.mark.parametrize(
    ("text", "private"),
    [
        ("https://models.example", True),
        ("http://models.example", False),
        ("http://127.0.0.1:1", True),
        ("http://127.8.9.1", True),
        ("http://[::1]", True),
        ("http://[::ffff:127.0.0.1]", True),
        ("http://localhost", True),
        ("http://localhost.models.example", False),
        ("http://127.0.0.1.models.example", False),
        ("http://10.0.0.1", False),
        ("http://2130706433", False),
    ],
)
def test_it_is_known_where_a_secret_may_travel(text: str, private: bool) -> None:
    assert Address.parse(text).is_private is private


def test_folders_are_no_addresses() -> None:
    assert not is_address("/srv/models")
    assert not is_address("C:/models")
    assert is_address("https://models.example")


@given(st.text(max_size=60))
def test_any_text_is_an_address_or_refused(text: str) -> None:
    try:
        address = Address.parse(f"https://{text}")
    except InvalidError:
        return
    assert Address.parse(str(address)) == address
