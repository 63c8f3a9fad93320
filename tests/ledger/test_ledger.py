"""The front on a real store: what is appended can be read, proved, signed, and no damage to it goes unnoticed."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stemma.errors import CorruptError, InvalidError, NotFoundError
from stemma.ledger import Entry, LogFilter, append, append_many, commit_text, commitment_of
from stemma.ledger.audit import LogReport
from stemma.ledger.evidence.checkpoint import policy_for, verify_checkpoint
from stemma.ledger.ledger import CHECKPOINT_INTERVAL
from stemma.ledger.proof import verify_consistency, verify_inclusion
from stemma.ledger.tree import EMPTY_ROOT, root_of
from tests.databases import change
from tests.ledger.logs import LEDGER, NOW, Tx, draft, drafts, keys, signers

pytestmark = pytest.mark.usefixtures("each_database")


@pytest.fixture
def tx() -> Tx:
    return Tx()


def execute(tx: Tx, sql: str, *values: object) -> None:
    """Change the database behind the store's back."""
    assert change(tx.connection, sql, *values) == 1


def verified(tx: Tx, namespace: str = "team") -> LogReport:
    return LEDGER.verify(tx, namespace, keys())


def test_entries_are_numbered_from_zero_in_each_log(tx: Tx) -> None:
    assert [append(tx, draft()).sequence for _ in range(3)] == [0, 1, 2]
    assert append(tx, draft(namespace="other")).sequence == 0
    assert append(tx, draft(namespace="_system")).sequence == 0
    assert tx.ledger.namespaces() == ("_system", "other", "team")
    assert LEDGER.head(tx, "team").size == 3
    assert LEDGER.head(tx, "nobody").size == 0


def test_an_entry_comes_back_as_it_was_entered(tx: Tx) -> None:
    entry = append(tx, draft(5, model="loans"))
    assert LEDGER.read(tx, "team", 0) == entry == Entry.at(draft(5, model="loans"), sequence=0, time=NOW, skewed=False)
    for missing in (-1, 1, 2**60):
        with pytest.raises(NotFoundError):
            LEDGER.read(tx, "team", missing)


def test_time_never_runs_backwards_and_skew_is_flagged(tx: Tx) -> None:
    times = []
    for now in (NOW, NOW - 5, NOW + 1, NOW + 1):
        tx.now = now
        entry = append(tx, draft())
        times.append((entry.time, entry.skewed))
    assert times == [(NOW, False), (NOW, True), (NOW + 1, False), (NOW + 1, False)]
    assert verified(tx).time == NOW + 1


def test_one_append_writes_to_one_log(tx: Tx) -> None:
    with pytest.raises(InvalidError):
        append_many(tx, [draft(), draft(namespace="other")])
    assert append_many(tx, []) == ()
    assert tx.ledger.namespaces() == ()


@settings(max_examples=20)
@given(st.lists(st.integers(0, 300), max_size=4))
def test_entries_one_by_one_or_in_batches_make_the_same_log(batches: list[int]) -> None:
    tx, other = Tx(), Tx()
    entries = [entry for count in batches for entry in append_many(tx, drafts(count))]
    for each in [item for count in batches for item in drafts(count)]:
        append(other, each)

    expected = root_of([entry.leaf_hash for entry in entries])
    assert LEDGER.root(tx, "team").root == LEDGER.root(other, "team").root == expected
    assert verified(tx) == verified(other)


def test_a_log_is_listed_by_page_and_filter(tx: Tx) -> None:
    for number in range(40):
        tx.now = NOW + number
        model, action = f"m{number % 4}", "alias.set" if number % 2 else "version.register"
        append(tx, draft(number, action=action, model=model))

    def listed(chosen: LogFilter, **options: object) -> list[int]:
        page = LEDGER.log(tx, "team", chosen, limit=100, **options)  # type: ignore[arg-type]  # passed through
        return [entry.sequence for entry in page.entries]

    assert listed(LogFilter()) == list(range(40))
    assert listed(LogFilter(concerns="m1")) == list(range(1, 40, 4))
    assert listed(LogFilter(action="alias.set", concerns="m2")) == []
    assert listed(LogFilter(actor="u_3f9c"), after=36) == [37, 38, 39]
    assert listed(LogFilter(actor="u_other")) == []
    assert listed(LogFilter(since=NOW + 10, until=NOW + 13)) == [10, 11, 12]
    assert listed(LogFilter(until=NOW + 3), newest_first=True) == [2, 1, 0]
    assert listed(LogFilter(concerns="m1"), newest_first=True, after=9) == [5, 1]
    assert LEDGER.log(tx, "nobody").entries == ()


def test_pages_follow_each_other_without_gap_or_overlap(tx: Tx) -> None:
    append_many(tx, drafts(25))
    for newest_first in (False, True):
        seen: list[int] = []
        more = True
        while more:
            after = seen[-1] if seen else None
            page = LEDGER.log(tx, "team", after=after, newest_first=newest_first, limit=10)
            seen += [entry.sequence for entry in page.entries]
            more = page.more
        assert seen == (list(range(24, -1, -1)) if newest_first else list(range(25)))
    with pytest.raises(InvalidError):
        LEDGER.log(tx, "team", limit=0)


def test_an_entry_is_proved_to_whoever_knows_the_root(tx: Tx) -> None:
    entries = append_many(tx, drafts(600))
    for sequence, size in [(0, None), (599, None), (255, 256), (256, 300), (0, 1)]:
        proof = LEDGER.prove_inclusion(tx, "team", sequence, size)
        assert proof.entry == entries[sequence]
        assert proof.root == root_of([entry.leaf_hash for entry in entries[: proof.size]])
        verify_inclusion(
            leaf_hash=proof.entry.leaf_hash, index=sequence, size=proof.size, root=proof.root, path=proof.path
        )
    old, new = LEDGER.root(tx, "team", 257), LEDGER.root(tx, "team")
    path = LEDGER.prove_consistency(tx, "team", 257)
    verify_consistency(old=257, old_root=old.root, new=600, new_root=new.root, path=path)
    with pytest.raises(NotFoundError):
        LEDGER.prove_inclusion(tx, "team", 600)
    with pytest.raises(InvalidError):
        LEDGER.prove_inclusion(tx, "team", 5, 5)


def test_checkpoints_are_at_most_one_a_second_unless_wanted_at_once(tx: Tx) -> None:
    assert LEDGER.checkpoint(tx, "team", signers()) is None
    append_many(tx, drafts(3))
    assert LEDGER.unsigned_tail(tx, "team") == 3
    first = LEDGER.checkpoint(tx, "team", signers())
    assert first is not None
    assert first.size == 3
    assert LEDGER.unsigned_tail(tx, "team") == 0

    append(tx, draft())
    tx.now += CHECKPOINT_INTERVAL - 1
    assert LEDGER.checkpoint(tx, "team", signers()) == first
    assert LEDGER.unsigned_tail(tx, "team") == 1
    at_once = LEDGER.checkpoint(tx, "team", signers(), at_once=True)
    assert at_once is not None
    assert at_once.size == 4

    append(tx, draft())
    tx.now += CHECKPOINT_INTERVAL
    third = LEDGER.checkpoint(tx, "team", signers())
    assert third is not None
    assert third.size == 5
    assert LEDGER.checkpoint(tx, "team", signers(), at_once=True) == third == LEDGER.newest_checkpoint(tx, "team")
    signed = verify_checkpoint(third.note, policy_for(LEDGER.origin("team"), keys()), place="").checkpoint
    assert signed == LEDGER.root(tx, "team")
    assert signed.origin == "stemma/0123456789abcdef0123456789abcdef/team"
    report = verified(tx)
    assert (report.size, report.signed, report.unsigned, report.checkpoints) == (5, 5, 0, 3)


def test_an_empty_log_verifies(tx: Tx) -> None:
    report = verified(tx)
    assert (report.size, report.root, report.signed) == (0, EMPTY_ROOT, 0)


def test_an_unsigned_tail_is_counted(tx: Tx) -> None:
    append_many(tx, drafts(300))
    LEDGER.checkpoint(tx, "team", signers())
    append_many(tx, drafts(10))
    assert verified(tx).unsigned == 10


def damaged() -> Tx:
    """Return a log of 600 entries, of which 550 are signed, with a second checkpoint at 100."""
    tx = Tx()
    append_many(tx, drafts(100))
    LEDGER.checkpoint(tx, "team", signers(), at_once=True)
    append_many(tx, drafts(450))
    LEDGER.checkpoint(tx, "team", signers(), at_once=True)
    append_many(tx, drafts(50))
    verified(tx)
    return tx


OTHER = Entry.at(draft(77), sequence=300, time=NOW, skewed=False)
DAMAGE = [
    ("UPDATE entries SET data = ? WHERE sequence = 300", [OTHER.encode()], "entry 300 of team"),
    ("UPDATE entries SET data = substr(data, 2) WHERE sequence = 300", [], "entry 300 of team"),
    ("UPDATE entries SET leaf_hash = zeroblob(32) WHERE sequence = 300", [], "entry 300 of team"),
    ("UPDATE entries SET leaf_hash = zeroblob(32) WHERE sequence = 599", [], "entry 599 of team"),
    ("UPDATE entries SET actor = 'u_other' WHERE sequence = 300", [], "entry 300 of team"),
    ("UPDATE entries SET action = 'alias.back' WHERE sequence = 300", [], "entry 300 of team"),
    ("UPDATE entries SET concerns = 'x' WHERE sequence = 300", [], "entry 300 of team"),
    ("UPDATE entries SET time = time - 1 WHERE sequence = 300", [], "entry 300 of team"),
    ("UPDATE entries SET sequence = 700 WHERE sequence = 300", [], "entry 300 of team"),
    ("DELETE FROM entries WHERE sequence = 0", [], "entry 0 of team"),
    ("DELETE FROM entries WHERE sequence = 300", [], "entry 300 of team"),
    ("UPDATE entries SET namespace = 'other' WHERE sequence = 300", [], "entry 300 of team"),
    ("UPDATE tiles SET hashes = zeroblob(8192) WHERE level = 0 AND number = 1", [], "tile 0/1 of team"),
    ("UPDATE tiles SET hashes = zeroblob(64) WHERE level = 1", [], "tile 1/0 of team"),
    ("UPDATE tiles SET hashes = substr(hashes, 1, 32) WHERE level = 1", [], "tile 1/0 of team"),
    ("DELETE FROM tiles WHERE level = 1", [], "tile 1/0 of team"),
    ("INSERT INTO tiles VALUES ('team', 0, 2, zeroblob(2816))", [], "tile 0/2 of team"),
    ("UPDATE checkpoints SET note = ? WHERE size = 100", [b"x"], "checkpoint 100 of team"),
    ("UPDATE checkpoints SET note = (SELECT note FROM checkpoints WHERE size = 550) WHERE size = 100", [],
     "checkpoint 100 of team"),
    ("UPDATE checkpoints SET size = 101 WHERE size = 100", [], "checkpoint 101 of team"),
    ("UPDATE checkpoints SET time = time + 1000000 WHERE size = 100", [], "checkpoint 100 of team"),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "values", "place"), DAMAGE, ids=[item[0][:70] for item in DAMAGE])
def test_damage_to_a_live_log_is_found_with_its_place(sql: str, values: list[object], place: str) -> None:
    tx = damaged()
    execute(tx, sql, *values)
    with pytest.raises(CorruptError) as caught:
        verified(tx)
    assert caught.value.place == place


def test_a_log_that_was_cut_below_what_is_signed_is_found() -> None:
    tx = damaged()
    tx.connection.driver.cursor().execute("DELETE FROM entries WHERE sequence >= 540")
    with pytest.raises(CorruptError, match="540 entries where 550 were signed"):
        verified(tx)
    with pytest.raises(CorruptError, match="does not continue"):
        LEDGER.checkpoint(tx, "team", signers(), at_once=True)


def test_a_rewritten_log_is_not_signed_again() -> None:
    tx, other = damaged(), Tx()
    append_many(other, [draft(number + 1) for number in range(600)])
    stored = tx.ledger.checkpoints("team", below=None, limit=1)[0]
    other.ledger.add_checkpoint("team", stored)

    with pytest.raises(CorruptError, match="does not continue"):
        LEDGER.checkpoint(other, "team", signers(), at_once=True)
    with pytest.raises(CorruptError, match="root at size 550"):
        verified(other)


def test_other_keys_do_not_verify() -> None:
    with pytest.raises(CorruptError):
        LEDGER.verify(damaged(), "team", keys("theirs"))
    with pytest.raises(InvalidError):
        LEDGER.verify(damaged(), "team", keys()[:1])


def test_a_namespace_that_cannot_be_is_refused(tx: Tx) -> None:
    for name in ("", "Team", "_other", "a/b", "../x"):
        with pytest.raises(InvalidError):
            LEDGER.head(tx, name)


def test_a_text_is_committed_to_and_can_be_forgotten(tx: Tx) -> None:
    commitment = commit_text(tx, "it predicts nonsense for März")
    found = tx.texts.read(commitment)
    assert found is not None
    assert found[1] == "it predicts nonsense for März"
    assert commitment_of(found[0], found[1]) == commitment
    append(tx, replace(draft(), reason=commitment))

    tx.texts.redact(commitment)
    assert tx.texts.read(commitment) == (b"", None)
    verified(tx)


def test_the_same_text_has_another_commitment_each_time(tx: Tx) -> None:
    assert commit_text(tx, "yes") != commit_text(tx, "yes")


@pytest.mark.parametrize("text", ["\ud800", "a\x00b", "x" * ((1 << 20) + 1)], ids=["surrogate", "nul", "long"])
def test_a_text_that_cannot_be_kept_is_refused(tx: Tx, text: str) -> None:
    with pytest.raises(Exception, match="text"):
        commit_text(tx, text)


def test_a_salt_has_32_bytes() -> None:
    with pytest.raises(InvalidError):
        commitment_of(b"short", "text")
