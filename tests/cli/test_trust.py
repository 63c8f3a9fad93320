"""Commands that check and prove, on real repositories and on damaged ones."""

import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from stemma.cli.answers import Checked, Entries, Migrated, Rebuilt
from stemma.client.answers import Audited, Diagnosis, Verified
from tests.cli.running import in_a_folder, stemma


def flip(file: Path, offset: int) -> None:
    data = bytearray(file.read_bytes())
    data[offset] ^= 1
    file.chmod(0o644)
    file.write_bytes(data)


@pytest.fixture
def pack(model: Path, folder: Path) -> Path:
    """Return the largest pack of a repository with two versions."""
    del model
    return max(folder.rglob("*.pack"), key=lambda file: file.stat().st_size)


@in_a_folder
@pytest.mark.usefixtures("model")
@pytest.mark.parametrize("options", [[], ["--all"]])
def test_a_sound_repository_is_verified(options: list[str]) -> None:
    report = stemma("verify", *options, "--json").read(Verified)
    assert (report.sound, report.deep, report.damage) == (True, bool(options), ())
    assert report.packs
    ran = stemma("verify", *options)
    assert ran.code == 0
    assert "whole" in ran.out
    assert ("verify --all" in ran.err) is (not options)


@in_a_folder
def test_a_flipped_byte_is_found_and_placed(pack: Path) -> None:
    offset = pack.stat().st_size // 3
    flip(pack, offset)
    ran = stemma("verify", "--all", "--json")
    assert ran.code == 7
    report = json.loads(ran.out)
    assert report["sound"] is False
    assert pack.stem in report["damage"][0]["file"]
    assert report["damage"][0]["offset"] <= offset
    assert any("bank/loans" in reference for file in report["affected"] for reference in file["references"])
    problem = json.loads(ran.err)
    assert (problem["code"], problem["exit_code"]) == ("corrupt", 7)
    assert pack.stem in problem["place"]
    text = stemma("verify", "--all")
    assert text.code == 7
    assert "Damaged." in text.out
    assert pack.stem in text.err


@in_a_folder
def test_a_truncated_pack_is_found_without_reading_all(pack: Path) -> None:
    pack.chmod(0o644)
    pack.write_bytes(pack.read_bytes()[:-3])
    ran = stemma("verify")
    assert ran.code == 7
    assert pack.stem in ran.err


def test_what_is_damaged_is_not_pulled(pack: Path, tmp_path: Path) -> None:
    flip(pack, pack.stat().st_size // 3)
    ran = stemma("pull", "bank/loans", tmp_path / "out")
    assert ran.code == 7
    assert "'weights.bin' is damaged" in ran.err
    assert "stemma verify --all" in ran.err
    assert not (tmp_path / "out/weights.bin").exists()


@pytest.mark.usefixtures("model")
def test_the_log_tells_what_was_done_and_why() -> None:
    stemma("alias", "set", "bank/loans", "production", "1.0.0", "-m", "First")
    entries = stemma("audit", "log", "bank", "--json").read(Entries).entries
    assert (entries[0].action, entries[0].reason) == ("alias.set", "First")
    assert [e.sequence for e in entries] == sorted((e.sequence for e in entries), reverse=True)
    only = stemma("audit", "log", "bank", "--action", "alias.set", "--json").read(Entries).entries
    assert [e.action for e in only] == ["alias.set"]
    oldest = stemma("audit", "log", "bank", "--oldest-first", "-n", "1", "--json").read(Entries)
    assert (oldest.entries[0].sequence, oldest.truncated) == (0, True)
    assert stemma("audit", "log", "bank", "--until", "2001-01-01", "--json").read(Entries).entries == ()
    assert "alias.set" in stemma("audit", "log").out


@pytest.mark.usefixtures("model")
def test_the_log_verifies_here_and_where_it_was_exported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = stemma("audit", "verify", "--json").read(Audited)
    assert {log.origin.rpartition("/")[2] for log in here.logs} >= {"bank"}
    exported = stemma("audit", "export", tmp_path / "evidence", "--json").read(Audited)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "another"))
    found = stemma("audit", "verify", tmp_path / "evidence", "--json").read(Audited)
    assert found.first_use
    assert found.fingerprints == exported.fingerprints
    assert all(log.unsigned == 0 for log in found.logs)
    again = stemma("audit", "verify", tmp_path / "evidence")
    assert again.code == 0
    assert "pinned now" not in again.err
    assert stemma("audit", "export", tmp_path / "evidence").code == 5


@pytest.mark.usefixtures("model")
def test_an_export_that_was_tampered_with_fails_with_its_place(tmp_path: Path) -> None:
    stemma("audit", "export", tmp_path / "evidence")
    stemma("audit", "verify", tmp_path / "evidence")
    for file in sorted(file for file in (tmp_path / "evidence").rglob("*") if file.is_file()):
        copy = tmp_path / "copy"
        shutil.copytree(tmp_path / "evidence", copy)
        flip(copy / file.relative_to(tmp_path / "evidence"), file.stat().st_size // 2)
        ran = stemma("audit", "verify", copy)
        assert ran.code == 7, file
        assert file.name in ran.err or file.parent.name in ran.err
        shutil.rmtree(copy)


@pytest.mark.usefixtures("model")
def test_an_export_signed_by_other_keys_than_the_expected_fails(tmp_path: Path) -> None:
    stemma("audit", "export", tmp_path / "evidence")
    ran = stemma("audit", "verify", tmp_path / "evidence", "--key", "sha256:" + "0" * 64)
    assert ran.code == 7
    assert stemma("audit", "verify", "--key", "sha256:" + "0" * 64).code == 2


@in_a_folder
@pytest.mark.usefixtures("model")
def test_the_database_is_checked_rebuilt_and_migrated() -> None:
    assert stemma("db", "check", "--json").read(Checked).findings == ()
    assert "whole" in stemma("db", "check").out
    rebuilt = stemma("db", "rebuild", "--json").read(Rebuilt)
    assert rebuilt.differences == ()
    assert rebuilt.entries > 0
    migrated = stemma("db", "migrate", "--json").read(Migrated)
    assert migrated.before == migrated.after
    assert migrated.backup is None
    assert stemma("db", "migrate").out == f"{migrated.after}\n"


@in_a_folder
def test_a_damaged_database_is_found(folder: Path) -> None:
    database = folder / ".stemma/stemma.db"
    data = bytearray(database.read_bytes())
    data[4096 * 3 : 4096 * 5] = b"\xff" * 4096 * 2
    database.write_bytes(data)
    ran = stemma("db", "check")
    assert ran.code == 7
    assert stemma("doctor").code == 7


@in_a_folder
@pytest.mark.usefixtures("model")
def test_doctor_finds_a_sound_repository_healthy() -> None:
    diagnosis = stemma("doctor", "--json").read(Diagnosis)
    assert diagnosis.healthy
    checks = {finding.check for finding in diagnosis.findings}
    assert checks >= {
        "python",
        "stemma",
        "sqlalchemy",
        "click",
        "settings",
        "disk",
        "format",
        "database",
        "keys",
        "clock",
    }
    assert "whole" in stemma("doctor").out


@in_a_folder
@pytest.mark.usefixtures("model")
def test_doctor_finds_what_is_bad(folder: Path) -> None:
    keys = folder / ".stemma/keys"
    keys.chmod(0o755)
    (folder / ".stemma/config.toml").write_text("lock.timeout = 'many'\n")
    ran = stemma("doctor", "--json")
    assert ran.code == 1
    bad = {finding["check"] for finding in json.loads(ran.out)["findings"] if finding["state"] == "fail"}
    assert {"settings", "keys"} <= bad


def test_doctor_works_where_there_is_no_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ran = stemma("doctor")
    assert ran.code == 0
    assert "stemma init" in ran.out


@in_a_folder
def test_a_repository_of_a_later_release_is_refused(folder: Path) -> None:
    (folder / ".stemma/format.json").write_text('{"features":{},"min_reader":9,"min_writer":9,"version":9}\n')
    ran = stemma("status")
    assert ran.code == 1
    assert "9" in ran.err
    assert stemma("doctor").code == 1


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_is_given_its_script(shell: str) -> None:
    script = stemma("completion", shell).out
    assert "_STEMMA_COMPLETE" in script
    assert json.loads(stemma("completion", shell, "--json").out) == {"shell": shell, "script": script}


@in_a_folder
@pytest.mark.usefixtures("model")
@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("DELETE FROM entries WHERE rowid = (SELECT max(rowid) FROM entries)", "log of bank"),
        ("UPDATE entries SET data = CAST(data || ' ' AS BLOB) WHERE sequence = 3", "entry 3 of bank"),
        ("DELETE FROM checkpoints", "bank"),
    ],
    ids=["truncated", "changed", "unsigned and shorter"],
)
def test_a_log_that_was_changed_in_the_database_fails_with_its_place(folder: Path, change: str, told: str) -> None:
    assert stemma("audit", "verify").code == 0
    database = sqlite3.connect(folder / ".stemma/stemma.db")
    with database:
        database.execute(change)
        if "checkpoints" in change:
            database.execute("DELETE FROM entries WHERE rowid = (SELECT max(rowid) FROM entries)")
    database.close()
    ran = stemma("audit", "verify")
    assert ran.code == 7
    assert told in ran.err


@in_a_folder
@pytest.mark.usefixtures("model")
@pytest.mark.parametrize("schema", ["stemma/version/1", "stemma/manifest/1", "stemma/evidence/1"])
def test_a_record_that_was_changed_in_the_database_is_found(folder: Path, schema: str) -> None:
    database = sqlite3.connect(folder / ".stemma/stemma.db")
    with database:
        changed = database.execute(
            "UPDATE records SET data = CAST(data || ' ' AS BLOB) WHERE instr(CAST(data AS TEXT), ?) > 0", (schema,)
        ).rowcount
    database.close()
    assert changed > 0
    ran = stemma("db", "check")
    assert ran.code == 7
    assert "record" in ran.out
