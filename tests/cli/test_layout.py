"""The drawing of a family, against drawings made by hand, and laws on generated ones."""

import io
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from stemma.cli.drawing import family
from stemma.cli.drawing.layout import arrange
from stemma.cli.drawing.rendering import render
from stemma.operations.views import ParentView, TreeNode

MODEL = "bank/loans"


def node(
    sequence: int,
    *parents: int | tuple[str, int] | str,
    branch: str = "main",
    aliases: tuple[str, ...] = (),
    withdrawn: bool = False,
    what: str | None = "",
    model: str = MODEL,
) -> TreeNode:
    found = []
    for parent in parents:
        match parent:
            case str():
                found.append(ParentView(kind="fine_tuned_from", external=parent))
            case (kind, number):
                found.append(ParentView(kind=kind, version=f"sha256:{number:064}", reference=f"{MODEL}@{number}.0.0"))
            case number:
                found.append(
                    ParentView(kind="continues", version=f"sha256:{number:064}", reference=f"{MODEL}@{number}.0.0")
                )
    return TreeNode(
        digest=f"sha256:{sequence:064}",
        reference=f"{model}@{sequence}.0.0",
        number=f"{sequence}.0.0",
        sequence=sequence,
        branch=branch,
        registered=f"2026-03-03T00:00:00.{sequence:06}Z",
        what=what if what != "" else f"change {sequence}",
        parents=tuple(found),
        aliases=aliases,
        withdrawn=withdrawn,
    )


def drawn(*nodes: TreeNode, encoding: str = "utf-8", colored: bool = False) -> str:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    return render(family.draw(MODEL, nodes), stream, colored=colored)


def test_a_line_of_work_goes_straight_down() -> None:
    assert drawn(node(1), node(2, 1), node(3, 2, aliases=("production",))) == (
        "bank/loans\n● 1.0.0 (v1) main  change 1\n● 2.0.0 (v2)  change 2\n● 3.0.0 (v3) [production]  change 3\n"
    )


def test_branches_are_indented_and_a_merge_is_referred_to() -> None:
    assert drawn(
        node(1),
        node(2, 1, branch="gbdt"),
        node(3, 2, branch="gbdt"),
        node(4, 1, withdrawn=True),
        node(5, 4, ("merged_from", 3)),
    ) == (
        "bank/loans\n"
        "● 1.0.0 (v1) main  change 1\n"
        "├─● 2.0.0 (v2) gbdt  change 2\n"
        "│ ● 3.0.0 (v3)  change 3\n"
        "│ └─↳ 5.0.0 (v5) merged_from this\n"
        "● 4.0.0 (v4) withdrawn  change 4\n"
        "● 5.0.0 (v5)  change 5  ← merged_from bank/loans@3.0.0\n"
    )


def test_branches_without_a_continuation_end_the_line() -> None:
    assert drawn(node(1), node(2, 1, branch="a"), node(3, 1, branch="b"), node(4, 3, branch="b")) == (
        "bank/loans\n"
        "● 1.0.0 (v1) main  change 1\n"
        "├─● 2.0.0 (v2) a  change 2\n"
        "└─● 3.0.0 (v3) b  change 3\n"
        "  ● 4.0.0 (v4)  change 4\n"
    )


def test_outside_parents_other_models_and_redactions_are_named() -> None:
    assert drawn(node(1, "hf:org/name@" + "a" * 40), node(2, ("distilled_from", 1), model="bank/small", what=None)) == (
        "bank/loans\n"
        f"● 1.0.0 (v1) main  change 1  ← fine_tuned_from hf:org/name@{'a' * 40}\n"
        "● bank/small@2.0.0  (redacted)  ← distilled_from\n"
    )


def test_two_roots_are_set_apart() -> None:
    assert drawn(node(1), node(2)).split("\n")[2] == ""


def test_messages_are_not_obeyed_and_not_markup() -> None:
    text = drawn(node(1, what="[bold]\x1b[31mred\x1b]0;title\x07 :smile: [/nothing]"), colored=True)
    assert "[bold]\\x1b[31mred\\x1b]0;title\\x07 :smile: [/nothing]" in text
    assert "\x1b]0" not in text


def test_a_stream_that_cannot_draw_gets_ascii() -> None:
    assert drawn(node(1), node(2, 1, branch="b"), node(3, 1), encoding="ascii").isascii()


def test_a_long_chain_is_drawn_without_recursion() -> None:
    chain = [node(1), *(node(n, n - 1) for n in range(2, 5000))]
    assert [row.prefix for row in arrange(chain)] == [""] * 4999


@st.composite
def families(draw: st.DrawFn) -> list[TreeNode]:
    nodes = []
    for sequence in range(1, draw(st.integers(1, 25)) + 1):
        parents = draw(st.lists(st.integers(1, sequence - 1), unique=True, max_size=3)) if sequence > 1 else []
        nodes.append(node(sequence, *parents, branch=draw(st.sampled_from("abc"))))
    return draw(st.permutations(nodes))


@given(families())
def test_every_version_stands_once_under_a_parent_and_every_other_parent_refers_to_it(nodes: list[TreeNode]) -> None:
    rows = list(arrange(nodes))
    placed = [row.node for row in rows if row.shape == "node" and row.node is not None]
    assert sorted(n.sequence for n in placed) == sorted(n.sequence for n in nodes)
    seen: set[str] = set()
    edges: set[tuple[str, str]] = set()
    for row in rows:
        if row.node is None:
            continue
        if row.above is not None:
            assert row.above.digest in seen
            edges.add((row.node.digest, row.above.digest))
        if row.shape == "node":
            seen.add(row.node.digest)
    assert edges == {(n.digest, p.version) for n in nodes for p in n.parents}


@given(families())
def test_lines_in_front_hang_together(nodes: list[TreeNode]) -> None:
    """Whatever is joined to the left comes from a line that the row above holds or begins."""
    rows = [row.prefix + ("●" if row.shape == "node" else "↳") for row in arrange(nodes) if row.shape != "gap"]
    for above, row in pairwise(rows):
        for place, character in enumerate(row):
            if character in "│├└":
                assert above[place] in "│├●"
