"""Where deliveries may go: a strict grammar of URLs, and which IP addresses lie outside.

A URL is read once, by the grammar here and by nothing else, so that no two readers can differ. Every address that its
host resolves to is checked; transitional IPv6 forms count as the IPv4 address inside them, or are refused.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Self, TypeAlias

from stemma.errors import InvalidError, RefusedError

Network: TypeAlias = IPv4Network | IPv6Network
IP: TypeAlias = IPv4Address | IPv6Address

MAX_URL = 2048
HINT = "Write https://HOST/PATH, on port 443 or one from 1024 on."
_URL = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<host>\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9.-]{1,253})"
    r"(?::(?P<port>[1-9][0-9]{0,4}))?(?P<path>/[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?",
    re.ASCII,
)
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_NUMERIC = re.compile(r"[0-9]+|0x[0-9a-f]*", re.ASCII)
_DEFAULT_PORTS = {"https": 443, "http": 80}
_FIRST_FREE_PORT = 1024
_LAST_PORT = 65535

# IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890), and multicast.
_INSIDE: tuple[tuple[Network, str], ...] = tuple(
    (ip_network(network), what)
    for network, what in (
        ("0.0.0.0/8", "unspecified"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "shared by a carrier (RFC 6598)"),
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "link-local, where clouds keep their metadata"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved"),
        ("192.0.2.0/24", "for documentation"),
        ("192.88.99.0/24", "a relay of 6to4"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "for benchmarks"),
        ("198.51.100.0/24", "for documentation"),
        ("203.0.113.0/24", "for documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
        ("2001::/23", "reserved, or Teredo"),
        ("2001:db8::/32", "for documentation"),
        ("2002::/16", "6to4"),
        ("3fff::/20", "for documentation"),
    )
)
_OUTSIDE_6 = IPv6Network("2000::/3")  # all of IPv6 that is global unicast (RFC 4291, section 2.4)
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052, section 2.1


@dataclass(frozen=True, slots=True)
class Address:
    """A URL that was understood: `host` is a lower-case name, or an IP address without brackets."""

    scheme: str
    host: str
    port: int
    path: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a URL; InvalidError for what is not spelt plainly, or names a port that other services use."""
        match = _URL.fullmatch(text) if len(text) <= MAX_URL else None
        if match is None:
            raise InvalidError(f"{text[:80]!r} is not a URL that deliveries can go to", hint=HINT)
        scheme = match["scheme"].lower()
        if scheme not in _DEFAULT_PORTS:
            raise InvalidError(f"deliveries go by https, not by {scheme[:20]!r}", hint=HINT)
        port = int(match["port"] or _DEFAULT_PORTS[scheme])
        if port != _DEFAULT_PORTS[scheme] and not _FIRST_FREE_PORT <= port <= _LAST_PORT:
            raise InvalidError(f"deliveries do not go to port {port}", hint=HINT)
        return cls(scheme, _check_host(match["host"].lower()), port, match["path"] or "/")

    def __str__(self) -> str:
        port = "" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{self.authority_host}{port}{self.path}"

    @property
    def authority_host(self) -> str:
        """The host as URLs and the `Host` header spell it."""
        return f"[{self.host}]" if ":" in self.host else self.host

    @property
    def literal(self) -> IP | None:
        """The IP address that the host is, None where it is a name."""
        try:
            return ip_address(self.host)
        except ValueError:
            return None


def _check_plain(host: str) -> str:
    address = Address.parse(f"http://{host}/")
    if address.authority_host != host:
        raise ValueError(f"{host[:80]!r} is more than a host")
    return address.host


def _check_host(host: str) -> str:
    try:
        if host.startswith("["):
            return str(IPv6Address(host[1:-1]))
        labels = host.split(".")
        if _NUMERIC.fullmatch(labels[-1]):  # then it is an IPv4 address, however it is spelt (WHATWG URL, 3.5)
            return str(IPv4Address(host))
    except ValueError as error:
        hint = "Write four decimal numbers, or a name."
        raise InvalidError(f"{host[:80]!r} is no plainly spelt IP address", hint=hint) from error
    if not all(_LABEL.fullmatch(label) for label in labels):
        raise InvalidError(f"{host[:80]!r} is not a host", hint="Write a name in ASCII letters, digits and hyphens.")
    return host


@dataclass(frozen=True, slots=True)
class Rules:
    """What an operator allows beyond https to outside addresses.

    `networks` may be delivered to although they lie inside; `plain_hosts` by http.
    """

    networks: tuple[Network, ...] = ()
    plain_hosts: frozenset[str] = frozenset()

    @classmethod
    def parse(cls, networks: str, plain_hosts: str) -> Self:
        """Read two lists separated by commas or spaces; a ValueError says which part is no network or host."""
        hosts = re.split(r"[,\s]+", plain_hosts.strip().lower())
        return cls(
            tuple(ip_network(part) for part in re.split(r"[,\s]+", networks.strip()) if part),
            frozenset(_check_plain(host) for host in hosts if host),
        )

    def check(self, address: Address) -> None:
        """Raise RefusedError where a URL can be refused before its host is looked up."""
        if address.scheme != "https" and address.host not in self.plain_hosts:
            raise RefusedError(
                f"{address.host} is not delivered to by http",
                hint="Use https; an operator can allow a host with the setting webhooks.http.",
            )
        if address.literal is not None:
            self.check_ip(address.literal)

    def check_ip(self, ip: IP) -> None:
        """Raise RefusedError unless an address lies outside, or in a network that is allowed."""
        if any(ip in network for network in self.networks):
            return
        what = _inside(ip)
        if what is not None:
            raise RefusedError(
                f"{ip} is {what}: deliveries go outside only",
                hint="An operator can allow a network with the setting webhooks.networks.",
            )


def _inside(ip: IP) -> str | None:
    """Return what keeps `ip` from being an address of the public internet, None where it is one."""
    if isinstance(ip, IPv6Address):
        if ip.scope_id is not None:
            return "scoped"
        embedded = ip.ipv4_mapped or (IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else None)
        if embedded is not None:
            return _inside(embedded)
        if ip not in _OUTSIDE_6:
            return "not a global address of IPv6"
    return next((what for network, what in _INSIDE if ip in network), None)
