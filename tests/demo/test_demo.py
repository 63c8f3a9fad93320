"""The demonstration tells a true story: its figures, its commands and its failures are what they are said to be."""

import json
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from stemma.cli.commands.demo import shown
from stemma.client.audit import verify_export
from stemma.client.repository import Repository
from stemma.demo.story import Story, run
from stemma.demo.tampering import flip_bit, largest_file
from stemma.errors import CorruptError, NotFoundError, UnavailableError, UnsupportedError
from tests.cli.running import Ran, process

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def told(place: Path) -> Ran:
    """Tell the story once, as a person sees it, in the default folder and beside a repository of the user's own."""
    with Repository.init(place / "own"):
        pass
    environment = {"HOME": str(place), "STEMMA_REPO": str(place / "own"), "PATH": ""}
    return process("demo", cwd=place, environment=environment)


@pytest.fixture(scope="module")
def root(told: Ran, place: Path) -> Path:
    assert told.code == 0, told.out + told.err
    return place / "stemma-demo"


def test_it_leaves_a_repository_whose_production_went_back(root: Path) -> None:
    with Repository.open(root) as repository:
        moves = list(repository.aliases.history("bank/loans", "production"))
        assert [version.number for version in repository.history("bank/loans")] == ["1.2.0", "1.1.0", "1.0.0"]
        assert [(move.before, move.after) for move in moves] == [
            ("bank/loans@1.2.0", "bank/loans@1.1.0"),
            ("bank/loans@1.1.0", "bank/loans@1.2.0"),
            ("bank/loans@1.0.0", "bank/loans@1.1.0"),
            (None, "bank/loans@1.0.0"),
        ]
        assert repository.resolve("bank/loans@production", at=moves[1].time).number == "1.2.0"
        assert repository.verify().sound


def test_the_best_headline_is_worse_where_it_matters(root: Path) -> None:
    with Repository.open(root) as repository:
        everything, boosted, logistic = (
            {metric.name: metric.value or 0.0 for metric in version.metrics}
            for version in repository.history("bank/loans")
        )
    assert everything["auc"] > boosted["auc"] > logistic["auc"]
    assert everything["wrongly_declined_when_applied"] > boosted["wrongly_declined"]
    assert everything["approval_gap_when_applied"] > boosted["approval_gap"]


def test_what_is_shared_is_stored_once(root: Path) -> None:
    with Repository.open(root) as repository:
        digests = {
            file.digest
            for version in repository.history("bank/loans")
            for file in repository.files(version.reference)
            if file.path == "evaluation.csv"
        }
        status = repository.status()
    size = (root / "versions" / "1-logistic" / "evaluation.csv").stat().st_size
    assert len(digests) == 1
    assert status.stored < status.bytes - 2 * size


def test_the_copies_are_tampered_with_and_the_rest_is_not(root: Path) -> None:
    assert (verify_export(root / "evidence").records or 0) > 0
    with pytest.raises(CorruptError) as caught:
        verify_export(root / "tampered" / "evidence")
    assert "tile/entries" in caught.value.place
    with Repository.open(root / "tampered") as copy:
        assert not copy.verify().sound


def test_it_tells_what_it_does_on_one_stream(told: Ran, root: Path) -> None:
    assert told.err == ""
    assert str(root) in told.out
    assert "Exit code 7" in told.out
    assert "796 of 796" in told.out
    assert "Warning" not in told.out
    for words in ("$ stemma push", "$ stemma tree", "$ stemma alias back", "$ stemma audit verify evidence"):
        assert words in told.out


def test_a_repository_that_the_environment_names_is_left_alone(place: Path, root: Path) -> None:
    assert root.is_dir()
    with Repository.open(place / "own") as own:
        assert list(own.models()) == []


def test_a_folder_that_is_there_is_left_alone(place: Path, root: Path) -> None:
    before = sorted(root.rglob("*"))
    again = process("demo", cwd=place, environment={"HOME": str(place)})
    assert again.code == 5
    assert "stemma demo DIR" in again.err
    assert sorted(root.rglob("*")) == before


def test_programs_get_one_document(place: Path, root: Path) -> None:
    ran = process("demo", "other", "--json", cwd=place, environment={"HOME": str(place)})
    story = ran.read(Story)
    with Repository.open(root) as repository:
        first = [
            {metric.name: metric.value for metric in version.metrics} for version in repository.history("bank/loans")
        ]
    assert ran.err == ""
    assert story.production == "bank/loans@1.1.0"
    assert (story.applications, story.moves, story.same_predictions) == (1989, 4, 796)
    assert [version.metrics for version in reversed(story.versions)] == first, "every telling gives the same figures"
    assert msgspec.json.decode(ran.out)["root"] == str(place / "other")


def test_the_pushed_folders_are_the_same_each_time(place: Path, root: Path) -> None:
    other = place / "other"
    names = [path.relative_to(root) for path in sorted((root / "versions").rglob("*")) if path.is_file()]
    assert len(names) == 12
    assert [name for name in names if (root / name).read_bytes() != (other / name).read_bytes()] == []
    assert json.loads((root / "versions" / "2-boosted" / "metrics.json").read_text())["auc"] > 0.8


class Nowhere:
    """A stage on which nothing may happen."""

    def heading(self, text: str) -> None:
        pytest.fail(text)

    def line(self, text: str) -> None:
        pytest.fail(text)

    def run(self, folder: Path, arguments: Sequence[str]) -> int:
        pytest.fail(f"{folder}: {arguments}")


def test_what_is_missing_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "skops.io", None)  # as if it was not installed
    with pytest.raises(UnsupportedError) as caught:
        run(tmp_path / "demo", Nowhere())
    assert "stemma-ml[demo]" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UnavailableError) as caught:
        run(tmp_path / "file" / "demo", Nowhere())
    assert caught.value.place == str(tmp_path / "file" / "demo")


def test_one_bit_is_one_bit(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        largest_file(tmp_path)
    file = tmp_path / "data"
    file.write_bytes(bytes(9))
    assert (flip_bit(largest_file(tmp_path)), file.read_bytes()) == (4, b"\0\0\0\0\1\0\0\0\0")


def test_long_commands_are_broken_where_they_can_be_pasted() -> None:
    text = shown(["push", "a/b", "x" * 70, "-m", "It's long", "--metric", "auc=1"])
    assert text.replace(" \\\n  ", "") == f"$ stemma push a/b {'x' * 70} -m 'It'\"'\"'s long' --metric auc=1"
    assert max(map(len, text.splitlines())) < 115


def test_the_commands_to_go_on_with_work(told: Ran, root: Path) -> None:
    lines = told.out.partition("Go on from here\n")[2].strip().splitlines()
    commands = [shlex.split(line) for line in lines if line.strip().startswith("stemma ")]
    assert len(commands) >= 5
    for _, *arguments in commands:
        ran = process(*arguments, cwd=root, environment={"HOME": str(root.parent), "PATH": ""})
        assert ran.code == 0, f"{arguments}: {ran.err}"
