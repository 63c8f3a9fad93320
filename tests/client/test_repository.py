"""A repository in a folder, as people use it from Python."""

import filecmp
import os
import random
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

import stemma
from stemma.client import Repository
from stemma.errors import (
    AlreadyExistsError,
    ConflictError,
    CorruptError,
    InvalidError,
    NotFoundError,
    RefusedError,
    UnauthenticatedError,
)
from tests.artifacts.test_store import hostile_tree

in_a_folder = pytest.mark.parametrize("place", ["folder"], indirect=True)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Make a folder of files."""
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "weights.bin").write_bytes(random.Random(7).randbytes(200_000))
    (folder / "card.md").write_text("# Loans\n")
    return folder


def write(root: Path, tree: dict[str, bytes]) -> None:
    for name, data in tree.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)


def read(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_hostile_folders_are_pulled_as_they_were_pushed(repository: Repository, tmp_path: Path) -> None:
    references = {}
    for seed in range(100):
        folder = tmp_path / f"in-{seed}"
        folder.mkdir()
        tree = hostile_tree(seed)
        write(folder, tree)
        references[seed] = repository.push("bank/loans", folder, message=f"seed {seed}").version.reference
    for seed, reference in references.items():
        repository.pull(reference, tmp_path / f"out-{seed}")
        assert read(tmp_path / f"out-{seed}") == read(tmp_path / f"in-{seed}")
    assert repository.verify(*references.values()).sound
    with Repository.open(tmp_path / "work") as store:
        assert store.verify(deep=True).sound


@in_a_folder
@pytest.mark.slow
def test_a_gibibyte_is_pulled_as_it_was_pushed(repository: Repository, tmp_path: Path) -> None:
    block = random.Random(1).randbytes(1 << 20)
    (tmp_path / "big").mkdir()
    with (tmp_path / "big" / "model.bin").open("wb") as file:
        for number in range(1024):
            file.write(number.to_bytes(8, "little") + block[8:])
    repository.push("bank/big", tmp_path / "big", message="a gibibyte")
    repository.pull("bank/big@latest", tmp_path / "out")
    assert filecmp.cmp(tmp_path / "big" / "model.bin", tmp_path / "out" / "model.bin", shallow=False)


def test_pushing_registers_numbers_parents_and_metrics(repository: Repository, source: Path) -> None:
    first = repository.push("bank/loans", source, message="Baseline", why="to begin", metrics={"auc": 0.81}).version
    (source / "card.md").write_text("# Better\n")
    second = repository.push(
        "bank/loans", source, message="Better", labels={"team": "risk"}, metrics={"loss": float("nan")}
    ).version
    assert (first.number, first.sequence, first.parents) == ("1.0.0", 1, ())
    assert [metric.value for metric in first.metrics] == [0.81]
    assert (first.message.what, first.message.why) == ("Baseline", "to begin")
    assert (second.number, second.sequence) == ("1.1.0", 2)
    assert [parent.reference for parent in second.parents] == ["bank/loans@1.0.0"]
    assert (second.metrics[0].value, second.metrics[0].kind) == (None, "nan")
    assert second.labels == {"team": "risk"}
    assert [version.number for version in repository.history("bank/loans")] == ["1.1.0", "1.0.0"]
    assert [node.reference for node in repository.tree("bank/loans")] == ["bank/loans@1.0.0", "bank/loans@1.1.0"]
    assert [node.reference for node in repository.lineage.ancestors("bank/loans@1.1.0")] == ["bank/loans@1.0.0"]


def test_what_is_stored_already_is_not_stored_again(repository: Repository, source: Path) -> None:
    first = repository.push("bank/loans", source, message="one")
    same = repository.push("bank/loans", source, message="two", if_changed=True)
    assert not same.changed
    assert same.version.digest == first.version.digest
    assert same.stored == 0
    copy = repository.push("bank/other", source, message="a copy elsewhere")
    assert (copy.stored, copy.shared) == (0, copy.bytes)


def test_production_moves_goes_back_and_is_remembered(repository: Repository, source: Path) -> None:
    for number in range(3):
        (source / "card.md").write_text(str(number))
        repository.push("bank/loans", source, message=f"push {number}")
    aliases = repository.aliases
    moves = [aliases.set("bank/loans", "production", f"1.{minor}.0") for minor in range(3)]
    assert aliases.back("bank/loans", "production", reason="worse").after == "bank/loans@1.1.0"
    assert aliases.back("bank/loans", "production", reason="worse still").after == "bank/loans@1.0.0"
    with pytest.raises(ConflictError):
        aliases.back("bank/loans", "production", reason="no further")
    assert aliases.at("bank/loans", "production", moves[1].time).after == "bank/loans@1.1.0"
    assert repository.resolve("bank/loans@production", at=moves[2].time).number == "1.2.0"
    assert [move.action for move in aliases.history("bank/loans", "production")] == [
        "back",
        "back",
        "set",
        "set",
        "set",
    ]
    with pytest.raises(ConflictError):
        aliases.set("bank/loans", "production", "1.2.0", expected="sha256:" + "0" * 64)


def test_a_protected_name_is_refused_and_that_is_entered(repository: Repository, source: Path) -> None:
    repository.push("bank/loans", source, message="one")
    repository.aliases.protect("bank/loans", "production")
    with pytest.raises(RefusedError):
        repository.aliases.set("bank/loans", "production", "1.0.0")
    refused = [entry for entry in repository.audit.log("bank") if entry.outcome == "refused"]
    assert [entry.action for entry in refused] == ["alias.set"]
    moved = repository.aliases.set("bank/loans", "production", "1.0.0", override=True, reason="an incident")
    assert moved.override


def test_a_withdrawn_version_is_passed_over(repository: Repository, source: Path) -> None:
    repository.push("bank/loans", source, message="one")
    (source / "card.md").write_text("two")
    repository.push("bank/loans", source, message="two")
    repository.aliases.set("bank/loans", "production", "1.0.0")
    with pytest.raises(ConflictError, match="production"):
        repository.withdraw("bank/loans@1.0.0", "leaked labels")
    repository.withdraw("bank/loans@1.1.0", "leaked labels")
    assert repository.resolve("bank/loans@latest").number == "1.0.0"
    shown = repository.show("bank/loans@1.1.0")
    assert shown.withdrawn is not None
    assert shown.withdrawn.reason == "leaked labels"


def test_branches_carry_pre_releases_until_released(repository: Repository, source: Path) -> None:
    repository.push("bank/loans", source, message="one")
    repository.branches.create("bank/loans", "gbdt", "1.0.0")
    (source / "card.md").write_text("gbdt")
    other = repository.push("bank/loans", source, message="boosted", branch="gbdt").version
    assert other.number == "1.1.0-gbdt.1"
    released = repository.release(other.reference)
    assert (released.number, released.numbers) == ("1.1.0", ("1.1.0", "1.1.0-gbdt.1"))


def test_path_is_verified_each_time(repository: Repository, source: Path) -> None:
    repository.push("bank/loans", source, message="one")
    place = repository.path("bank/loans@1.0.0")
    target = place / "card.md"
    target.chmod(0o644)
    target.write_text("tampered")
    assert (repository.path("bank/loans@1.0.0") / "card.md").read_text() == "# Loans\n"
    (place / "added.py").write_text("print('not of this version')")
    assert set(read(repository.path("bank/loans@1.0.0"))) == {"card.md", "weights.bin"}


def test_several_processes_are_given_one_path_at_once(
    repository: Repository, where: str, source: Path, tmp_path: Path
) -> None:
    for number in range(40):
        (source / f"{number}.bin").write_bytes(random.Random(number).randbytes(50_000))
    repository.push("bank/loans", source, message="one")
    program = f"import stemma; print(stemma.open({where!r}).path('bank/loans@1.0.0'))"
    programs = [
        subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path, stdout=-1, stderr=-1, text=True)
        for _ in range(4)
    ]
    answers = [each.communicate(timeout=60) for each in programs]
    assert len({out for out, _ in answers}) == 1, answers
    assert read(Path(answers[0][0].strip())) == read(source)


def test_a_folder_without_files_is_pushed_with_a_warning(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert any("no files" in each for each in repository.push("bank/loans", tmp_path / "empty", message="x").warnings)


def test_mistakes_are_told_apart(repository: Repository, source: Path, tmp_path: Path) -> None:
    repository.push("bank/loans", source, message="one")
    with pytest.raises(AlreadyExistsError, match="already"):
        Repository.init(tmp_path / "work")
    with pytest.raises(NotFoundError):
        Repository.open(tmp_path / "nowhere")
    with pytest.raises(InvalidError, match="server"):
        Repository.open("ftp://127.0.0.1:1")
    with pytest.raises(AlreadyExistsError):
        repository.push("bank/loans", source, message="again", version="1.0.0")
    with pytest.raises(InvalidError):
        repository.push("Bank/Loans", source, message="case")
    with pytest.raises(NotFoundError):
        repository.push("bank/loans", tmp_path / "nowhere", message="nothing")
    with pytest.raises(NotFoundError):
        repository.resolve("bank/loans@9.9.9")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    with pytest.raises(ConflictError):
        repository.pull("bank/loans@1.0.0", tmp_path / "full")
    assert read(tmp_path / "full") == {"mine.txt": b"mine"}


@in_a_folder
def test_every_flipped_byte_of_a_pack_is_found(repository: Repository, tmp_path: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    (folder / "a.txt").write_text("a small file, so that each byte of its pack can be flipped\n")
    repository.push("bank/loans", folder, message="small")
    pack = next((tmp_path / "work" / ".stemma" / "packs").rglob("*.pack"))
    data = pack.read_bytes()
    for offset in range(len(data)):
        pack.write_bytes(data[:offset] + bytes([data[offset] ^ 0x10]) + data[offset + 1 :])
        report = repository.verify(deep=True)
        assert not report.sound or report.notes, f"byte {offset}"
        for damage in report.damage:
            assert pack.stem in damage.file
    pack.write_bytes(data)
    assert repository.verify(deep=True).sound


def test_what_cannot_be_signed_is_not_begun(tmp_path: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STEMMA_KEY_PASSPHRASE", "correct horse")
    with Repository.init(tmp_path / "work") as repository:
        repository.push("bank/loans", source, message="one")
    for wrong in ("", "battery staple"):
        monkeypatch.setenv("STEMMA_KEY_PASSPHRASE", wrong)
        with Repository.open(tmp_path / "work") as repository:
            with pytest.raises(UnauthenticatedError):
                repository.push("bank/loans", source, message="two")
            with pytest.raises(UnauthenticatedError):
                repository.aliases.set("bank/loans", "production", "1.0.0")
            assert [version.message.what for version in repository.history("bank/loans")] == ["one"]


def test_a_pull_of_which_nothing_comes_leaves_nothing(repository: Repository, tmp_path: Path) -> None:
    (tmp_path / "only.bin").write_bytes(random.Random(3).randbytes(100_000))
    repository.push("bank/loans", tmp_path / "only.bin", message="one file")
    pack = next((tmp_path / "work" / ".stemma" / "packs").rglob("*.pack"))
    data = pack.read_bytes()
    pack.write_bytes(data[:5000] + bytes([data[5000] ^ 1]) + data[5001:])
    with pytest.raises(CorruptError, match=r"only\.bin"):
        repository.pull("bank/loans@latest", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_writers_and_readers_share_a_repository(
    repository: Repository, where: str, source: Path, tmp_path: Path
) -> None:
    repository.push("bank/loans", source, message="first")
    program = (
        "import sys, random\nfrom pathlib import Path\nfrom stemma.client import Repository\n"
        "root, folder, name = sys.argv[1], Path(sys.argv[2]), sys.argv[3]\nfolder.mkdir()\n"
        "with Repository.open(root) as repository:\n"
        "    for number in range(10):\n"
        "        (folder / 'file.bin').write_bytes(random.Random(f'{name}{number}').randbytes(100_000))\n"
        "        done = repository.push('bank/loans', folder, message=f'{name} {number}')\n"
        "        out = folder.with_name(f'{name}-out-{number}')\n"
        "        repository.pull(done.version.reference, out)\n"
        "        assert (out / 'file.bin').read_bytes() == (folder / 'file.bin').read_bytes()\n"
        "        assert len(repository.history('bank/loans')) >= number + 2\n"
    )
    programs = [
        subprocess.Popen(
            [sys.executable, "-c", program, where, tmp_path / f"writer{number}", f"writer{number}"],
            stderr=subprocess.PIPE,
            env={**os.environ},  # noqa: TID251  # the test's own
        )
        for number in range(4)
    ]
    for each in programs:
        _, errors = each.communicate(timeout=120)
        assert each.returncode == 0, errors.decode()
    sequences = [version.sequence for version in repository.history("bank/loans")]
    assert sequences == list(range(41, 0, -1))
    with Repository.open(tmp_path / "work") as folder:
        assert folder.database.check() == ()
        assert folder.database.rebuild().differences == ()
        assert folder.verify(deep=True).sound


def test_the_module_works_on_the_default_repository(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with stemma.init(tmp_path / "work"):
        pass
    monkeypatch.chdir(tmp_path / "work")
    done = stemma.push("loans", source, message="one")
    assert done.version.reference == "me/loans@1.0.0"
    assert stemma.path("loans@latest").joinpath("card.md").read_text() == "# Loans\n"
    assert [version.number for version in stemma.history("loans")] == ["1.0.0"]
    assert stemma.pull("loans@1.0.0", tmp_path / "out").number == "1.0.0"
    assert len(stemma.tree("loans")) == 1


@in_a_folder
def test_a_rewritten_log_is_refused(repository: Repository, source: Path, tmp_path: Path) -> None:
    repository.push("bank/loans", source, message="one")
    repository.audit.export(tmp_path / "export")
    repository.audit.verify()
    repository.close()
    other = Repository.init(tmp_path / "other")
    other.push("bank/loans", source, message="rewritten")
    other.close()
    identity = (tmp_path / "work" / ".stemma" / "identity").read_bytes()
    (tmp_path / "other" / ".stemma" / "identity").write_bytes(identity)
    database = sqlite3.connect(tmp_path / "other" / ".stemma" / "stemma.db")
    with database:
        database.execute("UPDATE repository SET identity = ?", (identity.decode().strip(),))
    database.close()
    with Repository.open(tmp_path / "other") as forged, pytest.raises(CorruptError):
        forged.audit.verify()


def test_what_is_left_of_a_repository_is_never_removed(tmp_path: Path) -> None:
    Repository.init(tmp_path / "work").close()
    folder = tmp_path / "work" / ".stemma"
    (folder / "format.json").unlink()
    (folder / "stemma.db").write_bytes(b"damaged")
    before = read(folder)
    with pytest.raises(CorruptError, match=r"format\.json"):
        Repository.init(tmp_path / "work")
    assert read(folder) == before
    assert [path.name for path in (tmp_path / "work").iterdir()] == [".stemma"]


def test_of_several_who_begin_at_once_one_wins(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    programs = [
        subprocess.Popen([sys.executable, "-m", "stemma", "init", "work"], cwd=tmp_path, stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    errors = [each.communicate(timeout=60)[1].decode() for each in programs]
    assert sorted(each.returncode for each in programs) == [0, 5, 5, 5], errors
    assert [path.name for path in (tmp_path / "work").iterdir()] == [".stemma"]
    with Repository.open(tmp_path / "work") as repository:
        assert repository.database.check() == ()
