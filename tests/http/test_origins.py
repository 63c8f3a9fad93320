"""Whom a server answers: names that no stranger's DNS can claim, and no page of another origin."""

import pytest

from stemma.errors import InvalidError
from stemma.http.origins import Origins, is_loopback
from stemma.http.problems import HttpError

LOCAL = Origins()
PUBLIC = Origins.of(["https://models.example", "http://10.0.0.7:8470/"], any_host=False)
ANY = Origins.of([], any_host=True)


def allowed(origins: Origins, **headers: str) -> bool:
    given = {name.replace("_", "-").encode(): text.encode() for name, text in headers.items()}
    try:
        origins.check(given)
    except HttpError as refusal:
        return refusal.status not in {403, 421}
    return True


@pytest.mark.parametrize(
    "host",
    """
    localhost localhost:8470 LOCALHOST:1 127.0.0.1 127.0.0.1:8470 127.9.9.9:1 [::1] [::1]:8470 localhost.:8470
    [::ffff:127.0.0.1]:80
    """.split(),
)
def test_loopback_has_these_names(host: str) -> None:
    assert allowed(LOCAL, host=host)


@pytest.mark.parametrize(
    "host",
    [
        *("", " localhost"),
        *"""
        evil.example evil.example:8470 localhost.evil.example 127.0.0.1.evil.example evil.localhost 0.0.0.0:8470
        [::]:8470 192.168.1.1 2130706433 0x7f.1 017700000001 127.1 localhost:x localhost:80:80 [::1 [::1]x [::1]:x
        user@localhost localhost/ xn--localhost 169.254.169.254 [::ffff:10.0.0.1]
        """.split(),
    ],
)
def test_no_other_name_is_answered_to(host: str) -> None:
    assert not allowed(LOCAL, host=host)


def test_configured_names_are_answered_to_and_no_neighbours() -> None:
    assert allowed(PUBLIC, host="models.example")
    assert allowed(PUBLIC, host="10.0.0.7:8470")
    assert allowed(PUBLIC, host="localhost:8470"), "a proxy on this machine may keep its own name for it"
    assert not allowed(PUBLIC, host="models.example:8470")
    assert not allowed(PUBLIC, host="other.example")
    assert allowed(ANY, host="whatever.example")


@pytest.mark.parametrize(
    "origin",
    [
        "",
        *"""
        http://evil.example https://localhost.evil.example null file:// http://localhost:3000 localhost
        http://127.0.0.1:8471 chrome-extension://localhost:8470 http://localhost:8470@evil.example
        """.split(),
    ],
)
def test_pages_of_other_origins_are_refused(origin: str) -> None:
    assert not allowed(LOCAL, host="localhost:8470", origin=origin)
    assert not allowed(ANY, host="localhost:8470", origin=origin)


def test_pages_of_this_server_are_answered() -> None:
    assert allowed(LOCAL, host="localhost:8470", origin="http://localhost:8470")
    assert allowed(PUBLIC, host="localhost:8470", origin="https://models.example"), "behind a proxy"
    assert not allowed(PUBLIC, host="localhost:8470", origin="http://models.example")


def test_browsers_tell_of_requests_without_an_origin() -> None:
    assert allowed(LOCAL, host="localhost", sec_fetch_site="same-origin", sec_fetch_mode="cors")
    assert allowed(LOCAL, host="localhost", sec_fetch_site="none", sec_fetch_mode="navigate")
    assert allowed(LOCAL, host="localhost", sec_fetch_site="cross-site", sec_fetch_mode="navigate"), "a link is fine"
    assert not allowed(LOCAL, host="localhost", sec_fetch_site="cross-site", sec_fetch_mode="no-cors")
    assert not allowed(LOCAL, host="localhost", sec_fetch_site="same-site", sec_fetch_mode="no-cors")


@pytest.mark.parametrize("text", ["", "models.example", "ftp://a", "https://", "https://a/path", "https://a?b", "*"])
def test_what_is_no_origin_is_named(text: str) -> None:
    with pytest.raises(InvalidError, match="is no origin"):
        Origins.of([text], any_host=False)


def test_no_address_beyond_this_machine_is_loopback() -> None:
    assert is_loopback("::1")
    assert not any(map(is_loopback, ["0.0.0.0", "::", "10.0.0.1", "example", ""]))  # noqa: S104  # none is bound
