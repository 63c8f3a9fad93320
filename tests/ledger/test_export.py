"""Exports: every byte is covered, and a log that was rewritten, cut or signed by others does not pass."""

from dataclasses import dataclass, replace
from itertools import pairwise

import pytest

from stemma.errors import ConflictError, CorruptError
from stemma.ledger import append, append_many, commit_text
from stemma.ledger.evidence.checkpoint import Checkpoint, policy_for, sign_checkpoint, verify_checkpoint
from stemma.ledger.evidence.export import export
from stemma.ledger.evidence.layout import (
    OUTER,
    Listed,
    encode_index,
    encode_keys,
    index_root,
)
from stemma.ledger.evidence.note import SignatureLine, SignedNote
from stemma.ledger.evidence.offline import ExportReport, verify_export
from stemma.ledger.evidence.pins import Pins, fingerprints_of
from stemma.ledger.ledger import Ledger
from stemma.records import Digest, canonical
from tests.ledger.logs import LEDGER, NOW, DictFolder, Tx, draft, drafts, keys, signers


def exported(tx: Tx, word: str = "ours", ledger: Ledger = LEDGER) -> DictFolder:
    for namespace in tx.ledger.namespaces():
        ledger.checkpoint(tx, namespace, signers(word), at_once=True)
    files = list(export(tx, ledger.repository, signers(word)))
    assert len({path for path, _ in files}) == len(files)
    return DictFolder(dict(files))


@dataclass(frozen=True)
class Story:
    """A small repository: its transaction, a record, and the commitments of two texts."""

    tx: Tx
    record: Digest
    what: Digest
    reason: Digest


def story(extra: int = 0) -> Story:
    tx = Tx()
    what = commit_text(tx, "trained on the new applications")
    inner = canonical({"schema": "stemma/manifest/1"})
    tx.records.put(Digest.of(inner), inner)
    record = canonical({"commitments": {"what": what}, "manifest": Digest.of(inner), "schema": "stemma/version/1"})
    tx.records.put(Digest.of(record), record)
    reason = commit_text(tx, "it predicts nonsense")
    append(tx, replace(draft(action="version.register"), after=Digest.of(record)))
    append(tx, replace(draft(1), reason=reason))
    append(tx, draft(2, namespace="_system"))
    append_many(tx, drafts(extra))
    return Story(tx, Digest.of(record), what, reason)


def pins_of(folder: DictFolder) -> Pins:
    return verify_export(folder).pins


def refusal(folder: DictFolder, pins: Pins | None = None, **options: object) -> CorruptError:
    with pytest.raises(CorruptError) as caught:
        verify_export(folder, pins=pins, **options)  # type: ignore[arg-type]  # passed through
    assert caught.value.place
    return caught.value


def test_an_export_verifies_and_says_what_to_remember() -> None:
    folder = exported(story().tx)
    report = verify_export(folder)

    assert report.first_use
    assert report.name == LEDGER.name
    assert report.fingerprints == fingerprints_of(keys())
    assert [(log.origin, log.size) for log in report.logs] == [
        (LEDGER.origin("_system"), 1),
        (LEDGER.origin("team"), 2),
    ]
    assert (report.records, report.texts, report.redacted) == (2, 2, ())
    again = verify_export(folder, pins=report.pins, repository=LEDGER.repository)
    assert again == replace(report, first_use=False)


def test_the_files_are_where_the_specification_says() -> None:
    it = story(extra=300)
    assert sorted(exported(it.tx).files) == sorted(
        [
            "checkpoint",
            "index",
            "keys",
            "logs/_system/checkpoint",
            "logs/_system/keys",
            "logs/_system/tile/0/000.p/1",
            "logs/_system/tile/entries/000.p/1",
            "logs/team/checkpoint",
            "logs/team/keys",
            "logs/team/tile/0/000",
            "logs/team/tile/0/001.p/46",
            "logs/team/tile/1/000.p/1",
            "logs/team/tile/entries/000",
            "logs/team/tile/entries/001.p/46",
            f"records/{it.record.hex}.json",
            f"records/{Digest.of(canonical({'schema': 'stemma/manifest/1'})).hex}.json",
            f"texts/{it.reason.hex}.json",
            f"texts/{it.what.hex}.json",
        ]
    )


@pytest.mark.slow
def test_every_flipped_byte_of_every_file_is_found() -> None:
    folder = exported(story().tx)
    pins = pins_of(folder)
    for path, data in folder.files.items():
        for at in range(len(data)):
            changed = bytearray(data)
            changed[at] ^= 1 << at % 8
            error = refusal(DictFolder({**folder.files, path: bytes(changed)}), pins)
            assert error.place.startswith(path) or path in ("keys", "index", "checkpoint"), (path, at, error.place)


@pytest.mark.slow
def test_every_flipped_byte_is_found_on_first_use_too() -> None:
    folder = exported(story().tx)
    for path in ("keys", "index", "checkpoint", "logs/team/checkpoint", "logs/team/keys"):
        for at in range(len(folder.files[path])):
            changed = bytearray(folder.files[path])
            changed[at] ^= 0x20
            refusal(DictFolder({**folder.files, path: bytes(changed)}))


def test_a_damaged_entry_is_named() -> None:
    folder = exported(story(extra=300).tx)
    path = "logs/team/tile/entries/001.p/46"
    data = folder.files[path]
    at = data.index(b'"seq":280') + 7
    error = refusal(DictFolder({**folder.files, path: data[:at] + b"9" + data[at + 1 :]}))
    assert error.place.startswith(f"{path} byte ")
    assert error.place.endswith("(entry 280)")


def test_every_file_that_is_missing_cut_emptied_or_lengthened_is_found() -> None:
    folder = exported(story().tx)
    pins = pins_of(folder)
    for path, data in folder.files.items():
        without = {name: content for name, content in folder.files.items() if name != path}
        assert refusal(DictFolder(without), pins).place == path
        for other in (b"", data[:-1], data + b"\n", data + b"\x00", data + data):
            refusal(DictFolder({**folder.files, path: other}), pins)


@pytest.mark.parametrize(
    "path",
    [
        "README",
        "logs/x",
        "logs/team/x",
        "logs/team/tile/0/001",
        "logs/other/checkpoint",
        "records/x.json",
        "texts/../x",
    ],
)
def test_every_file_that_does_not_belong_is_found(path: str) -> None:
    folder = exported(story().tx)
    assert refusal(DictFolder({**folder.files, path: b"x"})).place == path


def test_exchanged_files_are_found() -> None:
    folder = exported(story().tx)
    paths = list(folder.files)
    for one, other in pairwise(paths):
        swapped = {**folder.files, one: folder.files[other], other: folder.files[one]}
        refusal(DictFolder(swapped))


def test_an_older_export_is_refused_once_a_newer_one_was_seen() -> None:
    it = story()
    older = exported(it.tx)
    append_many(it.tx, drafts(3))
    it.tx.now += 1
    pins = pins_of(exported(it.tx))

    assert "2 entries where 5 were seen" in str(refusal(older, pins))
    assert verify_export(exported(it.tx), pins=pins_of(older)).pins == pins


def test_a_log_that_is_gone_is_found() -> None:
    pins = pins_of(exported(story().tx))
    tx = Tx()
    append(tx, draft(2, namespace="_system"))
    assert refusal(exported(tx), pins).place == "logs/team"


def test_a_log_rewritten_and_signed_by_another_key_is_refused() -> None:
    pins = pins_of(exported(story().tx))
    forged = exported(story().tx, "theirs")
    assert refusal(forged, pins).place == "keys"
    assert refusal(forged, trusted=fingerprints_of(keys())).place == "keys"
    assert refusal(forged, trusted=fingerprints_of(keys())[:1]).place == "keys"
    assert verify_export(forged, trusted=fingerprints_of(keys("theirs"))).first_use is False


def test_one_exchanged_key_of_the_two_is_refused() -> None:
    pins = pins_of(exported(story().tx))
    for pair in [(signers()[0], signers("theirs")[1]), (signers("theirs")[0], signers()[1])]:
        it = story()
        for namespace in it.tx.ledger.namespaces():
            LEDGER.checkpoint(it.tx, namespace, pair, at_once=True)
        assert refusal(DictFolder(dict(export(it.tx, LEDGER.repository, pair))), pins).place == "keys"


@pytest.mark.parametrize("length", [2, 5])
def test_a_log_rewritten_and_signed_by_the_same_key_is_refused(length: int) -> None:
    pins = pins_of(exported(story().tx))
    tx = Tx()
    append(tx, draft(2, namespace="_system"))
    append_many(tx, [draft(number + 9) for number in range(length)])
    assert refusal(exported(tx), pins).place.startswith("logs/team/")
    assert refusal(exported(tx), pins, trusted=fingerprints_of(keys())).place.startswith("logs/team/")


def test_another_repository_is_refused() -> None:
    other = exported(story().tx, "theirs", Ledger("ffff"))
    assert refusal(other, repository=LEDGER.repository).place == "keys"
    assert verify_export(other, repository="ffff").first_use


def test_parts_of_another_export_by_the_same_key_are_found() -> None:
    it = story()
    older = exported(it.tx)
    append(it.tx, draft(3))
    it.tx.now += 1
    newer = exported(it.tx)
    for path in set(older.files) & set(newer.files):
        if older.files[path] != newer.files[path]:
            refusal(DictFolder({**newer.files, path: older.files[path]}))


def test_a_signed_index_over_a_false_log_is_refused() -> None:
    """The owner's own keys sign an index over entries that are not those of the signed root."""
    it = story()
    exported(it.tx)
    it.tx.connection.driver.cursor().execute(
        "UPDATE entries SET data = CAST(replace(CAST(data AS TEXT), 'u_3f9c', 'u_0000') AS BLOB) WHERE sequence = 1"
    )
    folder = DictFolder(dict(export(it.tx, LEDGER.repository, signers())))
    assert refusal(folder).place.startswith("logs/team/tile/")


def indexed(files: dict[str, bytes], *lines: Listed) -> DictFolder:
    """Return `files` under a new index, signed by the owner, in which `lines` stand for what they say is there."""
    files = {path: data for path, data in files.items() if path not in OUTER}
    listed = {path: Listed.of(path, data) for path, data in files.items()} | {line.path: line for line in lines}
    index = encode_index(list(listed.values()))
    signed = Checkpoint(f"{LEDGER.name}/_export/1", len(listed), index_root(index))
    keys_file = encode_keys(policy_for(LEDGER.name, keys()).keys)
    note = sign_checkpoint(signed, signers(), NOW)
    return DictFolder({**files, "index": index, "keys": keys_file, "checkpoint": note})


def test_what_the_owner_signs_in_the_index_must_also_be_true() -> None:
    it = story()
    files = exported(it.tx).files
    assert verify_export(indexed(files)).logs
    for path in [path for path in files if path not in OUTER]:
        right = Listed.of(path, files[path])
        for line in (replace(right, size=right.size + 1), replace(right, digest=Digest.of(b"x"))):
            assert refusal(indexed(files, line)).place.startswith(path)


def test_records_and_texts_under_other_names_are_refused() -> None:
    it = story()
    files = exported(it.tx).files
    for kind, digest in (("records", it.record), ("texts", it.reason)):
        moved = f"{kind}/{'0' * 64}.json"
        others = {path: data for path, data in files.items() if path != f"{kind}/{digest.hex}.json"}
        assert refusal(indexed({**others, moved: files[f"{kind}/{digest.hex}.json"]})).place == moved


def resigned(files: dict[str, bytes], checkpoint: Checkpoint) -> dict[str, bytes]:
    """Return the log of `files` as another log with its own checkpoint, signed by the owner."""
    namespace = checkpoint.origin.rpartition("/")[2]
    moved = {path.replace("logs/team/", f"logs/{namespace}/"): data for path, data in files.items()}
    moved[f"logs/{namespace}/checkpoint"] = sign_checkpoint(checkpoint, signers(), NOW)
    moved[f"logs/{namespace}/keys"] = encode_keys(policy_for(checkpoint.origin, keys()).keys)
    return moved


def test_one_log_does_not_pass_for_another() -> None:
    it = story()
    files = exported(it.tx).files
    team = LEDGER.root(it.tx, "team")
    assert verify_export(indexed(resigned(files, team))).logs

    error = refusal(indexed(resigned(files, replace(team, origin=LEDGER.origin("other")))))
    assert "an entry of 'team' is in the log of 'other'" in str(error)
    note = {"logs/team/checkpoint": sign_checkpoint(replace(team, origin=LEDGER.origin("other")), signers(), NOW)}
    assert refusal(indexed({**files, **note})).place == "logs/team/checkpoint"


def test_a_note_by_the_log_s_key_over_another_log_is_refused() -> None:
    it = story()
    files = exported(it.tx).files
    origin, other = LEDGER.origin("team"), replace(LEDGER.root(it.tx, "team"), origin=LEDGER.origin("other"))
    old, new = policy_for(origin, keys()).keys
    message = b"subtree/v1\n\x00" + bytes([len(origin)]) + origin.encode() + bytes(8)
    message += (
        bytes([len(other.origin)]) + other.origin.encode() + bytes(8) + other.size.to_bytes(8, "big") + other.root
    )
    lines = (
        SignatureLine(origin, old.key_id, signers()[0].sign(other.text.encode())),
        SignatureLine(origin, new.key_id, bytes(8) + signers()[1].sign(message)),
    )
    note = SignedNote(other.text, lines).encode()
    assert verify_checkpoint(note, policy_for(origin, keys()), place="").checkpoint == other
    error = refusal(indexed({**files, "logs/team/checkpoint": note}))
    assert "the note is over" in str(error)


def test_a_redacted_text_is_reported_and_is_no_error() -> None:
    it = story()
    it.tx.texts.redact(it.reason)
    it.tx.texts.redact(it.what)
    report: ExportReport = verify_export(exported(it.tx))
    assert report.redacted == tuple(sorted([it.reason, it.what]))
    assert report.texts == 0


def test_a_text_taken_out_of_an_export_is_not_taken_for_redacted() -> None:
    it = story()
    folder = exported(it.tx)
    del folder.files[f"texts/{it.reason.hex}.json"]
    assert refusal(folder).place == f"texts/{it.reason.hex}.json"


def test_a_log_without_checkpoint_is_not_exported() -> None:
    with pytest.raises(ConflictError):
        list(export(story().tx, LEDGER.repository, signers()))


def test_an_export_of_nothing_verifies() -> None:
    report = verify_export(exported(Tx()))
    assert report.logs == ()


@pytest.mark.parametrize(
    ("table", "change"),
    [("records", "data = zeroblob(3)"), ("texts", "text = 'other'"), ("tiles", "hashes = zeroblob(3)")],
)
def test_what_is_damaged_in_the_repository_is_not_exported(table: str, change: str) -> None:
    it = story(extra=300)
    for namespace in it.tx.ledger.namespaces():
        LEDGER.checkpoint(it.tx, namespace, signers(), at_once=True)
    it.tx.connection.driver.cursor().execute(f"UPDATE {table} SET {change}")  # noqa: S608 - words of this test
    with pytest.raises(CorruptError):
        list(export(Tx(it.tx.connection), LEDGER.repository, signers()))
