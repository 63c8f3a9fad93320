"""Where deliveries may go: plainly spelt URLs, outside addresses, and what an operator allows."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemma.errors import InvalidError, RefusedError, StemmaError
from stemma.webhooks.address import Address, Rules

NOBODY = Rules()


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("https://hooks.example.com/a/b?c=d&e=%20", None),
        ("https://Hooks.EXAMPLE.com/A", "https://hooks.example.com/A"),
        ("https://hooks.example.com", "https://hooks.example.com/"),
        ("https://hooks.example.com:443/", "https://hooks.example.com/"),
        ("https://hooks.example.com:8443/", None),
        ("https://[2606:4700:0:0::1111]/", "https://[2606:4700::1111]/"),
        ("https://xn--mnchen-3ya.example/", None),
        ("https://93.184.216.34/", None),
    ],
)
def test_plain_urls(text: str, written: str | None) -> None:
    address = Address.parse(text)
    assert str(address) == (written or text)
    assert Address.parse(str(address)) == address
    NOBODY.check(address)


SPELT_OTHERWISE = """
file:///etc/passwd ftp://example.com/ gopher://example.com/ ://example.com //example.com/ example.com https: https://
https:///path javascript:alert(1) https://user@example.com/ https://user:password@example.com/ https://@example.com/
https://example.com@127.0.0.1/ https://example.com\\@127.0.0.1/ https://example.com:0/ https://example.com:22/
https://example.com:80/ https://example.com:025/ https://example.com:65536/ https://example.com:99999/
https://example.com:/ https://example.com#x https://example.com/#x https://exa_mple.com/ https://-a.com/
https://example.com./ https://.example.com/ https://a..b/ https://münchen.example/ https://2130706433/
https://0x7f000001/ https://0x7f.0.0.1/ https://0177.0.0.1/ https://127.1/ https://127.0.1/ https://127.0.0.01/
https://1.2.3.4.5/ https://256.1.1.1/ https://example.0x/ https://example.1/ https://[::1 https://::1/
https://[::1%25eth0]/ https://[::ffff:127.0.0.1]x/ https://[127.0.0.1]/ https://[]/ https://example.com/\x00
https://example.com/é https://example.com?x=1 https://exam%70le.com/
""".split()
SPACED = [
    "",
    " ",
    "https://example.com/a b",
    "https://example.com/\r\nX-Y:z",
    " https://example.com/",
    "https://a\n.com/",
]
LONG = ["https://example.com/" + "a" * 2048, "https://" + "a." * 200 + "com/"]


@pytest.mark.parametrize("text", [*SPELT_OTHERWISE, *SPACED, *LONG])
def test_what_is_not_plainly_spelt_is_refused(text: str) -> None:
    with pytest.raises((InvalidError, RefusedError)):
        NOBODY.check(Address.parse(text))


INSIDE = """
127.0.0.1 127.255.255.254 0.0.0.0 0.1.2.3 10.0.0.1 10.255.255.255 172.16.0.1 172.31.255.255 192.168.1.1
169.254.169.254 100.64.0.1 100.127.255.255 192.0.0.1 192.0.2.1 192.88.99.1 198.18.0.1 198.51.100.1 203.0.113.1
224.0.0.1 239.1.2.3 240.0.0.1 255.255.255.255 :: ::1 fe80::1 fe80::1%eth0 fc00::1 fd12:3456::1 fec0::1 ff02::1
::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 ::127.0.0.1 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 64:ff9b:1::1
2002:7f00:1:: 2002:808:808:: 2001::1 2001:10::1 2001:db8::1 3fff::1 100::1 4000::1
""".split()


@pytest.mark.parametrize("text", INSIDE)
def test_inside_addresses_are_refused(text: str) -> None:
    with pytest.raises(RefusedError):
        NOBODY.check_ip(ip_address(text))


@pytest.mark.parametrize(
    "text",
    "8.8.8.8 1.1.1.1 93.184.216.34 100.63.0.1 100.128.0.1 172.15.0.1 172.32.0.1 2606:4700::1111 2a00:1450::1 "
    "::ffff:8.8.8.8 64:ff9b::808:808".split(),
)
def test_outside_addresses_pass(text: str) -> None:
    NOBODY.check_ip(ip_address(text))


@given(st.ip_addresses())
def test_nothing_passes_that_python_calls_inside(ip: object) -> None:
    address = ip_address(str(ip))
    try:
        NOBODY.check_ip(address)
    except RefusedError:
        return
    embedded = getattr(address, "ipv4_mapped", None) or address
    properties = ("private", "loopback", "link_local", "multicast", "unspecified")
    assert [name for name in properties if getattr(embedded, f"is_{name}")] == []


def test_an_operator_allows_networks_and_hosts_for_http() -> None:
    rules = Rules.parse("10.1.0.0/16, fd00::/8 127.0.0.1", "hooks.internal, 127.0.0.1")
    rules.check_ip(ip_address("10.1.2.3"))
    rules.check_ip(ip_address("fd00::1"))
    for refused in ("10.2.0.1", "127.0.0.2", "fe80::1", "::ffff:10.1.2.3"):
        with pytest.raises(RefusedError):
            rules.check_ip(ip_address(refused))
    rules.check(Address.parse("http://hooks.internal/"))
    rules.check(Address.parse("http://127.0.0.1:8080/"))
    for text in ("http://hooks.example.com/", "http://10.1.2.3/"):
        with pytest.raises(RefusedError, match="by http"):
            rules.check(Address.parse(text))
    with pytest.raises(RefusedError, match="metadata"):
        rules.check(Address.parse("https://169.254.169.254/latest/"))
    assert Rules.parse("", " ") == NOBODY


UNREADABLE = [("10.0.0.0/33", ""), ("everything", ""), ("10.0.0.1/8", ""), ("", "a b/c"), ("", "a:80")]


@pytest.mark.parametrize(("networks", "hosts"), UNREADABLE)
def test_rules_that_cannot_be_read(networks: str, hosts: str) -> None:
    with pytest.raises((ValueError, StemmaError)):
        Rules.parse(networks, hosts)
