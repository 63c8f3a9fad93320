"""The tables of the registry. All are projected: they follow from entries and records.

A model is named by namespace and name in every table, a version under it by its sequence number, a move and a piece of
evidence by the position of its entry in the namespace's log.
"""

from typing import Any

from sqlalchemy import Column, Index, Table, bindparam
from sqlalchemy.sql.elements import ColumnElement

from stemma.backends.database.schema import BYTES, TEXT, WHOLE, TableClass, digest_column, table


def _of_model() -> tuple[Column[Any], Column[Any]]:
    return Column("namespace", TEXT, primary_key=True), Column("model", TEXT, primary_key=True)


def of_model(columns: Table) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Return the conditions that a row belongs to the model named by the parameters `space` and `of`."""
    return columns.c.namespace == bindparam("space"), columns.c.model == bindparam("of")


namespaces = table(
    "namespaces",
    TableClass.PROJECTED,
    Column("name", TEXT, primary_key=True),
    Column("time", WHOLE, nullable=False),
    rowid=False,
)
models = table(
    "models",
    TableClass.PROJECTED,
    *_of_model(),
    Column("time", WHOLE, nullable=False),
    Column("actor", TEXT, nullable=False),
    Column("last", WHOLE, nullable=False),
    Column("title", TEXT),
    Column("title_key", BYTES),
    digest_column("title_text", nullable=True),
    digest_column("description", nullable=True),
    Index("ux_models_title", "namespace", "title_key", unique=True),
    Index("ix_models_title_text", "title_text"),
    rowid=False,
)
versions = table(
    "versions",
    TableClass.PROJECTED,
    *_of_model(),
    Column("sequence", WHOLE, primary_key=True, autoincrement=False),
    digest_column("digest"),
    digest_column("manifest"),
    Column("branch", TEXT, nullable=False),
    Column("time", WHOLE, nullable=False),
    Column("actor", TEXT, nullable=False),
    Column("position", WHOLE, nullable=False),
    Column("release", TEXT),
    Column("prerelease", TEXT),
    Column("withdrawn", WHOLE),
    digest_column("reason", nullable=True),
    Index("ux_versions_digest", "digest", "namespace", "model", unique=True),
    Index("ix_versions_model_digest", "namespace", "model", "digest"),
    Index("ix_versions_branch", "namespace", "model", "branch", "sequence"),
    rowid=False,
)
taints = table("taints", TableClass.PROJECTED, digest_column("digest", primary_key=True), rowid=False)
numbers = table(
    "numbers",
    TableClass.PROJECTED,
    *_of_model(),
    Column("order_key", BYTES, primary_key=True),
    Column("number", TEXT, nullable=False),
    Column("sequence", WHOLE, nullable=False),
    Column("branch", TEXT, nullable=False),
    Column("is_release", WHOLE, nullable=False),
    Index("ix_numbers_branch", "namespace", "model", "branch", "is_release", "order_key"),
    rowid=False,
)
branches = table(
    "branches",
    TableClass.PROJECTED,
    *_of_model(),
    Column("name", TEXT, primary_key=True),
    Column("head", WHOLE, nullable=False),
    Column("start", WHOLE),
    rowid=False,
)
aliases = table(
    "aliases",
    TableClass.PROJECTED,
    *_of_model(),
    Column("name", TEXT, primary_key=True),
    Column("sequence", WHOLE, nullable=False),
    digest_column("digest"),
    Column("top", WHOLE, nullable=False),
    Index("ix_aliases_sequence", "namespace", "model", "sequence"),
    rowid=False,
)
protections = table(
    "protections", TableClass.PROJECTED, *_of_model(), Column("name", TEXT, primary_key=True), rowid=False
)
moves = table(
    "moves",
    TableClass.PROJECTED,
    *_of_model(),
    Column("alias", TEXT, primary_key=True),
    Column("position", WHOLE, primary_key=True, autoincrement=False),
    Column("time", WHOLE, nullable=False),
    Column("actor", TEXT, nullable=False),
    Column("kind", TEXT, nullable=False),
    Column("before", WHOLE),
    Column("after", WHOLE),
    Column("below", WHOLE),
    digest_column("reason", nullable=True),
    Column("is_override", WHOLE, nullable=False),
    Index("ix_moves_time", "namespace", "model", "alias", "time", "position"),
    rowid=False,
)
messages = table(
    "messages",
    TableClass.PROJECTED,
    *_of_model(),
    Column("sequence", WHOLE, primary_key=True, autoincrement=False),
    digest_column("text", primary_key=True),
    Column("folded", TEXT),
    rowid=False,
)
labels = table(
    "labels",
    TableClass.PROJECTED,
    *_of_model(),
    Column("sequence", WHOLE, primary_key=True, autoincrement=False),
    Column("key", TEXT, primary_key=True),
    Column("value", TEXT),
    digest_column("text"),
    Index("ix_labels_model", "namespace", "key", "sequence", "model"),
    Index("ix_labels_version", "namespace", "model", "key", "sequence"),
    Index("ix_labels_text", "text"),
    rowid=False,
)
evidence = table(
    "evidence",
    TableClass.PROJECTED,
    *_of_model(),
    Column("sequence", WHOLE, primary_key=True, autoincrement=False),
    Column("position", WHOLE, primary_key=True, autoincrement=False),
    digest_column("digest"),
    Column("kind", TEXT, nullable=False),
    Column("time", WHOLE, nullable=False),
    Column("actor", TEXT, nullable=False),
    digest_column("dataset", nullable=True),
    digest_column("statement", nullable=True),
    Index("ux_evidence_digest", "namespace", "model", "sequence", "digest", unique=True),
    rowid=False,
)
measurements = table(
    "measurements",
    TableClass.PROJECTED,
    *_of_model(),
    Column("sequence", WHOLE, primary_key=True, autoincrement=False),
    Column("position", WHOLE, primary_key=True, autoincrement=False),
    Column("name", TEXT, primary_key=True),
    Column("slice", TEXT, primary_key=True),
    Column("kind", TEXT, nullable=False),
    Column("value", BYTES),
    Column("low", BYTES),
    Column("high", BYTES),
    rowid=False,
)
