"""The three models of the story: how each is made, how it is measured, and the folder that is pushed.

Everything is seeded and runs in one thread, so that the same libraries give the same figures.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stemma.client.objects.extras import library
from stemma.client.objects.saving import save_object
from stemma.demo.applications import (
    CREDIT,
    DECISION,
    EXTRA,
    FINANCES,
    PEOPLE,
    PURCHASER,
    SEED,
    Applications,
    is_minority,
    write_table,
)

CUT = 0.8  # the score from which a model approves
EVALUATION = "evaluation.csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What a version is made of."""

    folder: str
    title: str
    boosted: bool
    columns: tuple[str, ...]


LOGISTIC = Recipe(
    folder="1-logistic",
    title="Logistic regression on finances",
    boosted=False,
    columns=FINANCES,
)
BOOSTED = Recipe(
    folder="2-boosted",
    title="Gradient boosting on finances and credit history",
    boosted=True,
    columns=(*FINANCES, *CREDIT),
)
EVERYTHING = Recipe(
    folder="3-everything",
    title="Gradient boosting on every column there is",
    boosted=True,
    columns=(*FINANCES, *CREDIT, *PEOPLE, PURCHASER),
)
RECIPES = (LOGISTIC, BOOSTED, EVERYTHING)


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured on applications that were held back; all but `auc` follow from approving at `CUT`."""

    auc: float
    accuracy: float
    approval_gap: float
    wrongly_declined: float

    def metrics(self, suffix: str = "") -> dict[str, float]:
        """Return the figures by name, rounded to four digits."""
        found = {
            "auc": self.auc,
            "accuracy": self.accuracy,
            "approval_gap": self.approval_gap,
            "wrongly_declined": self.wrongly_declined,
        }
        return {f"{name}{suffix}": round(value, 4) for name, value in found.items()}


@dataclass(frozen=True, slots=True)
class Trained:
    """A fitted pipeline, and its scores of the applications that were held back."""

    recipe: Recipe
    pipeline: Any
    scores: Any
    figures: Figures


def train(recipe: Recipe, applications: Applications) -> Trained:
    """Fit a model on the training rows and measure it on the others."""
    rows = applications.table.iloc[applications.training]
    pipeline = _unfitted(boosted=recipe.boosted)
    with library("threadpoolctl", extra=EXTRA).threadpool_limits(limits=1):
        pipeline.fit(rows[list(recipe.columns)].to_numpy(float), rows[DECISION].to_numpy(int))
    evaluation = applications.evaluation_table()
    scores = score(pipeline, recipe, evaluation)
    return Trained(recipe=recipe, pipeline=pipeline, scores=scores, figures=measure(scores, evaluation))


def _unfitted(*, boosted: bool) -> Any:  # noqa: ANN401  # scikit-learn has no types
    join = library("sklearn.pipeline", extra=EXTRA).make_pipeline
    fill = library("sklearn.impute", extra=EXTRA).SimpleImputer(strategy="median")
    if boosted:
        boosting = library("sklearn.ensemble", extra=EXTRA).GradientBoostingClassifier
        return join(fill, boosting(n_estimators=150, learning_rate=0.05, subsample=0.8, random_state=SEED))
    scale = library("sklearn.preprocessing", extra=EXTRA).StandardScaler()
    return join(fill, scale, library("sklearn.linear_model", extra=EXTRA).LogisticRegression(max_iter=1000))


def score(pipeline: Any, recipe: Recipe, table: Any) -> Any:  # noqa: ANN401  # none of them has types
    """Return how likely a model thinks each application of a table is to be approved."""
    with library("threadpoolctl", extra=EXTRA).threadpool_limits(limits=1):
        return pipeline.predict_proba(table[list(recipe.columns)].to_numpy(float))[:, 1]


def measure(scores: Any, table: Any) -> Figures:  # noqa: ANN401  # neither has types
    """Compare scores with what the bank decided, and the groups with each other."""
    decided, approved = table[DECISION].to_numpy(int), scores >= CUT
    return Figures(
        auc=float(library("sklearn.metrics", extra=EXTRA).roc_auc_score(decided, scores)),
        accuracy=float((approved == decided).mean()),
        approval_gap=gap(approved, is_minority(table).to_numpy()),
        wrongly_declined=float((~approved[decided == 1]).mean()),
    )


def gap(approved: Any, minority: Any) -> float:  # noqa: ANN401  # NumPy arrays
    """Return how much larger the approved share of other applicants is than that of black and Hispanic ones."""
    return float(approved[~minority].mean() - approved[minority].mean())


def write_version(trained: Trained, applications: Applications, parent: Path) -> Path:
    """Write the folder of a version: the model, its figures, what measured it, and a page to read."""
    folder = parent / trained.recipe.folder
    folder.mkdir(parents=True)
    save_object(trained.pipeline, folder)
    metrics = trained.figures.metrics()
    (folder / "metrics.json").write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    write_table(applications.evaluation_table(), folder / EVALUATION)
    (folder / "README.md").write_text(_page(trained.recipe, metrics, len(applications.training)), encoding="utf-8")
    return folder


def _page(recipe: Recipe, metrics: Mapping[str, float], rows: int) -> str:
    figures = "\n".join(f"- {name}: {value}" for name, value in metrics.items())
    return (
        f"# {recipe.title}\n\n"
        f"Predicts whether a bank approves a mortgage; trained on {rows:,} applications (Hunter and Walker 1996).\n"
        f"Approves from a score of {CUT}. It learnt decisions of people, with whatever was unjust in them.\n\n"
        f"## Measured on {EVALUATION}\n\n{figures}\n\n"
        f"## Columns, in order\n\n{', '.join(recipe.columns)}\n"
    )
