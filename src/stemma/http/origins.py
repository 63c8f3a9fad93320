"""Origins: which names a server answers to, and which pages may ask it.

On loopback a server without users trusts whoever can reach it, and a browser on the same machine can, for any page
that it shows. So it answers only to names that no stranger's DNS can claim (DNS rebinding), and to no page of another
origin. Elsewhere a token is asked for; pages of other origins are still refused, unless they are configured.
"""

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import urlsplit

from stemma.errors import InvalidError
from stemma.http.problems import HttpError, refuse

_CROSS_SITE = frozenset({b"cross-site", b"same-site"})


@dataclass(frozen=True, slots=True)
class Origins:
    """`public` are origins (`https://models.example`) under which it is known; `any_host` lets any Host pass."""

    public: frozenset[str] = frozenset()
    any_host: bool = False

    @classmethod
    def of(cls, public: Iterable[str], *, any_host: bool) -> "Origins":
        """Return what is allowed, from the texts of origins; an InvalidError names one that is none."""
        return cls(frozenset(_origin(text) for text in public), any_host)

    def check(self, headers: Mapping[bytes, bytes]) -> None:
        """Return where the request may be answered, else raise what to tell."""
        host = headers.get(b"host", b"").decode("latin-1").lower()
        if not self._is_ours(host):
            raise refuse(
                421,
                f"this server does not answer to the name {host[:80]!r}",
                hint="Use the address that 'stemma serve' printed, or set 'serve.origins'.",
                place="Host",
            )
        origin = headers.get(b"origin")
        if origin is not None:
            text = origin.decode("latin-1").lower()
            if host_of(text) != host and text not in self.public:
                raise _foreign(f"pages of {text[:80]!r} may not ask this server", "Origin")
        elif headers.get(b"sec-fetch-site") in _CROSS_SITE and headers.get(b"sec-fetch-mode") != b"navigate":
            raise _foreign("a page of another site asks", "Sec-Fetch-Site")

    def _is_ours(self, host: str) -> bool:
        if self.any_host or _is_local(host):
            return True
        return any(origin.partition("://")[2] == host for origin in self.public)


@lru_cache(maxsize=64)
def _is_local(host: str) -> bool:
    return is_loopback(_name_of(host))


def is_loopback(host: str) -> bool:
    """Return whether a name or address means this machine and nothing else, without asking DNS."""
    if host in {"localhost", "localhost."}:
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _name_of(host: str) -> str:
    if host.startswith("["):
        name, bracket, rest = host[1:].partition("]")
        return name if bracket and (not rest or _is_port(rest)) else ""
    name, colon, port = host.partition(":")
    return name if not colon or _is_port(f":{port}") else ""


def _is_port(text: str) -> bool:
    return text[:1] == ":" and text[1:].isascii() and text[1:].isdigit()


def host_of(text: str) -> str:
    """Return host and port of an origin, or nothing where it is none."""
    scheme, separator, host = text.partition("://")
    return host if separator and scheme in {"http", "https"} else ""


def _origin(text: str) -> str:
    parts = urlsplit(text.strip().lower())
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path not in {"", "/"} or parts.query:
        raise InvalidError(f"{text!r} is no origin", hint="Write https://models.example, with a port if need be.")
    return f"{parts.scheme}://{parts.netloc}"


def _foreign(message: str, place: str) -> HttpError:
    return refuse(403, message, hint="Set 'serve.origins' where they are yours.", place=place)
