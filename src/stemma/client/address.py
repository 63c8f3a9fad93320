"""Addresses of servers: what a URL must be to name one, and to be told a secret."""

from pathlib import Path


def is_address(where: str | Path) -> bool:
    """Whether `where` names a server and not a folder."""
    return "://" in str(where)
