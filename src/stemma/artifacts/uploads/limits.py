"""Limits: how much one upload may hold, so that nobody fills the disk or the memory of others."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """All in bytes, but the counts: `packs` of one upload, `sessions` that one owner may hold open.

    `footers` are those of one upload together, which are in memory while it is committed, some five times as large;
    `content` is what all its new files decode to.
    """

    pack: int = 512 << 20
    packs: int = 32_768
    upload: int = 1 << 40
    footers: int = 256 << 20
    content: int = 4 << 40
    sessions: int = 64
