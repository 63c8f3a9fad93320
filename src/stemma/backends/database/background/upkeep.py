"""The tables of upkeep: leases, and the last report of each job."""

from collections.abc import Sequence

from sqlalchemy import Column, bindparam, delete, or_, select, update

from stemma.backends.database.dialect import Connection, Statement, insert_or_ignore, upsert
from stemma.backends.database.schema import TEXT, WHOLE, TableClass, level, table
from stemma.upkeep import Lease, Report

leases = table(
    "leases",
    TableClass.JOURNAL,
    Column("name", TEXT, primary_key=True),
    Column("holder", TEXT, nullable=False),
    Column("expires", WHOLE, nullable=False),
    rowid=False,
)
reports = table(
    "reports",
    TableClass.JOURNAL,
    Column("name", TEXT, primary_key=True),
    Column("ended", WHOLE, nullable=False),
    Column("failure", TEXT, nullable=False),
    Column("failures", WHOLE, nullable=False),
    Column("detail", TEXT, nullable=False),
    rowid=False,
)

_here = leases.c.name == bindparam("which")
_TAKE = Statement(
    update(leases)
    .where(_here, or_(leases.c.holder == bindparam("by"), leases.c.expires <= bindparam("now")))
    .values(holder=bindparam("by"), expires=bindparam("until"))
)
_BEGIN = Statement(insert_or_ignore(leases))
_RELEASE = Statement(delete(leases).where(_here, leases.c.holder == bindparam("by")))
_LEASE = Statement(select(leases).where(_here))
_LEASES = Statement(select(leases).order_by(leases.c.name))
_LEVEL = Statement(select(level.c.version_num))
_PUT = Statement(upsert(reports, ["name"]))
_REPORT = Statement(select(reports).where(reports.c.name == bindparam("which")))
_REPORTS = Statement(select(reports).order_by(reports.c.name))
_NAMES = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}


class DatabaseUpkeep:
    """`UpkeepStore` on a database."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def database(self) -> tuple[str, str]:
        """Return the name and release of the database, and its level."""
        dialect = self._connection.dialect.name
        question = "SELECT sqlite_version()" if dialect == "sqlite" else "SHOW server_version"
        release = str(self._connection.script(question)[0][0]).partition(" ")[0]
        row = self._connection.one(_LEVEL)
        return f"{_NAMES.get(dialect, dialect)} {release}", "" if row is None else str(row[0])

    def claim(self, name: str, holder: str, now: int, expires: int) -> bool:
        """Take or renew a lease."""
        if self._connection.run(_TAKE, which=name, by=holder, now=now, until=expires):
            return True
        return self._connection.run(_BEGIN, name=name, holder=holder, expires=expires) == 1

    def release(self, name: str, holder: str) -> None:
        """Give a lease back."""
        self._connection.run(_RELEASE, which=name, by=holder)

    def lease(self, name: str) -> Lease | None:
        """Return who holds a lease."""
        row = self._connection.one(_LEASE, which=name)
        return None if row is None else Lease(*row)

    def leases(self) -> Sequence[Lease]:
        """Return all leases."""
        return [Lease(*row) for row in self._connection.all(_LEASES)]

    def put(self, report: Report) -> None:
        """Replace the report of a job."""
        self._connection.run(
            _PUT,
            name=report.name,
            ended=report.ended,
            failure=report.failure,
            failures=report.failures,
            detail=report.detail,
        )

    def report(self, name: str) -> Report | None:
        """Return the last report of a job."""
        row = self._connection.one(_REPORT, which=name)
        return None if row is None else Report(*row)

    def reports(self) -> Sequence[Report]:
        """Return the last report of every job."""
        return [Report(*row) for row in self._connection.all(_REPORTS)]
