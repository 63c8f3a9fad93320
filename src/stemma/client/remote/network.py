"""The network as the user set it up: proxies, trusted certificates, and the pool of connections.

Certificates are always verified. Proxies come from the environment (`HTTPS_PROXY`, `NO_PROXY` …), trusted certificates
from the setting `ca.bundle`, else from the operating system.
"""

import ssl
from dataclasses import dataclass
from urllib.request import getproxies, proxy_bypass

import urllib3

from stemma.client.address import Address
from stemma.errors import InvalidError, StemmaError

_CONNECTIONS = 16


@dataclass(frozen=True, slots=True)
class Trust:
    """Which certificates are trusted: those in the file or folder `bundle`, else the operating system's."""

    bundle: str | None = None

    def context(self) -> ssl.SSLContext:
        """Return what TLS connections are made with."""
        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.bundle is None:
            return context
        try:
            try:
                context.load_verify_locations(cafile=self.bundle)
            except IsADirectoryError:
                context.load_verify_locations(capath=self.bundle)
        except (OSError, ssl.SSLError) as error:
            raise InvalidError(
                f"certificates cannot be read: {error}", place=self.bundle, hint="STEMMA_CA_BUNDLE names a PEM file."
            ) from error
        return context


def connect(address: Address, trust: Trust, timeout: float) -> urllib3.PoolManager:
    """Return a pool of connections to a server, through a proxy where the environment names one; opens none yet."""
    options = {
        "maxsize": _CONNECTIONS,
        "timeout": urllib3.Timeout(connect=min(timeout, 10.0), read=timeout),
        "retries": False,
    }
    if address.scheme == "https":
        options["ssl_context"] = trust.context()
    proxy = proxy_of(address)
    if proxy is None:
        return urllib3.PoolManager(**options)  # type: ignore[arg-type]  # its keywords are typed one by one
    try:
        user = urllib3.util.parse_url(proxy).auth
        headers = urllib3.make_headers(proxy_basic_auth=user) if user else None
        return urllib3.ProxyManager(proxy, proxy_headers=headers, **options)  # type: ignore[arg-type]  # as above
    except (urllib3.exceptions.HTTPError, ValueError) as error:
        raise _unusable(proxy) from error


def proxy_of(address: Address) -> str | None:
    """Return the proxy that the environment names for a server; none for this machine."""
    if address.is_loopback or proxy_bypass(f"{address.host}:{address.port}") or proxy_bypass(address.host):
        return None
    proxies = getproxies()
    proxy = proxies.get(address.scheme) or proxies.get("all")
    if not proxy:
        return None
    if "://" not in proxy:
        proxy = f"http://{proxy}"
    if not proxy.startswith(("http://", "https://")):
        raise _unusable(proxy)
    return proxy


def _unusable(proxy: str) -> StemmaError:
    shown = proxy.rpartition("@")[2][:200]
    return InvalidError(
        f"the proxy {shown!r} cannot be used", hint="HTTP_PROXY, HTTPS_PROXY and ALL_PROXY name http:// proxies."
    )
