"""Edges: what came from what, and how.

A node is named by text, `KIND:REST`: `sha256:…` for a record, `hf:org/name@commit` for a model elsewhere, `run:…`. An
edge leads from a child to a parent and is written only with its child, which is new. So there can be no cycle.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from stemma.errors import InvalidError

MAX_NODE = 512
MAX_PARENTS = 10_000
_NODE = re.compile(r"[a-z][a-z0-9+.-]{0,31}:\S+", re.ASCII)


class EdgeKind(StrEnum):
    """How a child relates to its parent."""

    CONTINUES = "continues"
    FINE_TUNED_FROM = "fine_tuned_from"
    DISTILLED_FROM = "distilled_from"
    MERGED_FROM = "merged_from"
    QUANTIZED_FROM = "quantized_from"
    ADAPTER_OF = "adapter_of"
    BUILD_OF = "build_of"
    COMPONENT_OF = "component_of"
    """Of an ensemble (the child) and what it pins (the parent)."""
    TRAINED_ON = "trained_on"
    VALIDATED_ON = "validated_on"
    TESTED_ON = "tested_on"
    CALIBRATED_ON = "calibrated_on"
    FEATURES_FROM = "features_from"
    """Of a version and the feature pipeline that it needs."""
    DERIVED_FROM = "derived_from"
    """Of a dataset and what it was made from."""
    PRODUCED_BY = "produced_by"
    """Of a version and its run."""
    EVALUATED_BY = "evaluated_by"
    """Of evidence (the child) and what it says something about (the parent)."""


CODES: dict[EdgeKind, int] = {
    EdgeKind.CONTINUES: 1,
    EdgeKind.FINE_TUNED_FROM: 2,
    EdgeKind.DISTILLED_FROM: 3,
    EdgeKind.MERGED_FROM: 4,
    EdgeKind.QUANTIZED_FROM: 5,
    EdgeKind.ADAPTER_OF: 6,
    EdgeKind.BUILD_OF: 7,
    EdgeKind.COMPONENT_OF: 8,
    EdgeKind.TRAINED_ON: 9,
    EdgeKind.VALIDATED_ON: 10,
    EdgeKind.TESTED_ON: 11,
    EdgeKind.CALIBRATED_ON: 12,
    EdgeKind.FEATURES_FROM: 13,
    EdgeKind.DERIVED_FROM: 14,
    EdgeKind.PRODUCED_BY: 15,
    EdgeKind.EVALUATED_BY: 16,
}
"""What databases hold for each kind; a code is never given to another."""
KINDS = {code: kind for kind, code in CODES.items()}


@dataclass(frozen=True, slots=True)
class Edge:
    """One parent of the node that is being written."""

    parent: str
    kind: EdgeKind

    def __post_init__(self) -> None:
        check_node(self.parent)


def check_node(text: str) -> str:
    """Return `text` if it names a node, else raise an InvalidError."""
    if len(text) > MAX_NODE or not _NODE.fullmatch(text) or not text.isprintable():
        hint = "A node is 'sha256:…', or for example 'hf:org/name@commit'."
        raise InvalidError(f"{text[:80]!r} names no node", hint=hint)
    return text
