"""A database of an earlier release: it is not used, but checked as far as it goes, and brought up."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, cast

import msgspec
import psycopg
import pytest

from stemma.backends.database.maintenance import migrate as migrating
from stemma.backends.database.schema import LEVEL
from stemma.cli.answers import Checked, Migrated
from tests.cli.running import stemma

if TYPE_CHECKING:
    from tests.postgresql import Databases

EARLIER = "0000"
_REVISION = """
from alembic import op

revision = {revision!r}
down_revision = {before!r}


def upgrade() -> None:
    op.execute("DROP TABLE of_before")
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a repository, take its database back to a level before the first, and a way up from there."""
    steps = tmp_path / "migrations"
    (steps / "versions").mkdir(parents=True)
    for revision, before in ((EARLIER, None), (LEVEL, EARLIER)):
        (steps / "versions" / f"{revision}_step.py").write_text(_REVISION.format(revision=revision, before=before))
    monkeypatch.setattr(migrating, "SCRIPTS", steps)
    here = tmp_path / "work"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    change = ("CREATE TABLE of_before (one int)", "UPDATE schema_level SET version_num = '0000'")
    if request.param == "sqlite":
        assert stemma("init", here).code == 0
        with closing(sqlite3.connect(here / ".stemma/stemma.db", isolation_level=None)) as database:
            for each in change:
                database.execute(each)
    else:
        url = cast("Databases", request.getfixturevalue("postgresql")).empty()
        monkeypatch.setenv("STEMMA_DATABASE_URL", url)
        assert stemma("init", here, "--database", url).code == 0
        with psycopg.connect(url, autocommit=True) as connection:
            for each in change:
                connection.execute(each)
    monkeypatch.chdir(here)
    return here


@pytest.mark.usefixtures("folder")
def test_it_is_refused_until_it_is_migrated() -> None:
    for refused in (("ls",), ("db", "rebuild"), ("db", "check")):
        ran = stemma(*refused)
        assert ran.code == 1, ran.err
        assert f"stands at level {EARLIER}, this release works at {LEVEL}" in ran.err
        assert "stemma db migrate" in ran.err
    (finding,) = msgspec.json.decode(stemma("db", "check", "--json").out, type=Checked).findings
    assert finding.check == "level"
    migrated = stemma("db", "migrate", "--json").read(Migrated)
    assert (migrated.before, migrated.after) == (EARLIER, LEVEL)
    assert migrated.backup is not None
    assert Path(migrated.backup).stat().st_size > 0
    assert stemma("db", "check", "--json").read(Checked).findings == ()
    assert stemma("namespace", "create", "bank").code == 0


def test_one_of_another_repository_is_not_migrated(folder: Path) -> None:
    identity = folder / ".stemma/identity"
    identity.write_text("f" * 32 + "\n")
    ran = stemma("db", "migrate")
    assert (ran.code, "another repository" in ran.err) == (5, True)
