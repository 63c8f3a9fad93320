"""Addresses of servers: what a URL must be to name one, and whether a secret may travel to it."""

import ipaddress
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from stemma.errors import InvalidError

_PREFIX = re.compile(r"(?:/[A-Za-z0-9._~-]+)*", re.ASCII)
_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+", re.ASCII)
_FORM = "Write https://HOST, with :PORT and /PREFIX where the server has one."
_PORTS = {"https": 443, "http": 80}


def is_address(where: str | Path) -> bool:
    """Whether `where` names a server and not a folder."""
    return "://" in str(where)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a server is. `prefix` is empty or begins with a slash and does not end with one."""

    scheme: str
    host: str
    port: int
    prefix: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a URL; what is more than an address (a user, a query), or less, is an InvalidError."""
        shown = text.rpartition("@")[2][:200] if "@" in text else text[:200]
        try:
            parts = urlsplit(text)
            host, port = parts.hostname or "", parts.port
        except ValueError as error:
            raise InvalidError(f"{shown!r} is not a URL: {error}", hint=_FORM) from error
        if parts.username is not None or parts.password is not None:
            raise InvalidError(
                f"the URL of {shown!r} holds a name or a password",
                hint="Give a token by STEMMA_TOKEN or 'stemma login'.",
            )
        prefix = parts.path.rstrip("/")
        is_plain = text.isprintable() and not set(text) & set(" ?#")
        is_prefix = _PREFIX.fullmatch(prefix) and not {".", ".."} & set(prefix.split("/"))
        if parts.scheme not in _PORTS or not _HOST.fullmatch(host) or port == 0 or not is_plain or not is_prefix:
            raise InvalidError(f"{shown!r} is not the address of a server", hint=_FORM)
        return cls(parts.scheme, host, port or _PORTS[parts.scheme], prefix)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.prefix}"

    @property
    def is_loopback(self) -> bool:
        """Whether it is this machine, without asking DNS."""
        if self.host == "localhost":
            return True
        try:
            address = ipaddress.ip_address(self.host)
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return (mapped or address).is_loopback

    @property
    def is_private(self) -> bool:
        """Whether nobody on the way can read what is sent there."""
        return self.scheme == "https" or self.is_loopback
