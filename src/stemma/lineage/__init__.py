"""Lineage: typed edges between anything that has a name, and what follows from them."""

from stemma.lineage.edge import Edge, EdgeKind, check_node
from stemma.lineage.lineage import (
    Affected,
    Ask,
    Hop,
    Lineage,
    LineageStore,
    LineageTransaction,
    Paths,
    Visit,
    link,
    walk,
)
from stemma.lineage.veil import Hides

__all__ = [
    "Affected",
    "Ask",
    "Edge",
    "EdgeKind",
    "Hides",
    "Hop",
    "Lineage",
    "LineageStore",
    "LineageTransaction",
    "Paths",
    "Visit",
    "check_node",
    "link",
    "walk",
]
