"""The URL of a database: what it says, and what may be shown of it.

A URL can hold a password, so it appears in no message; `place` is what is shown instead.
"""

from dataclasses import dataclass, field
from typing import Self

import psycopg
from psycopg.conninfo import conninfo_to_dict

from stemma.errors import InvalidError

_SCHEMES = ("postgresql://", "postgres://")
_HINT = "Write postgresql://USER@HOST:PORT/DATABASE; a password may stand in ~/.pgpass or PGPASSWORD instead."
_PATIENT = {
    "application_name": "stemma",
    "connect_timeout": "10",
    "keepalives": "1",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
}


@dataclass(frozen=True, slots=True)
class Address:
    """Where a database is. `place` holds neither user nor password."""

    place: str
    parameters: dict[str, str] = field(repr=False)

    @classmethod
    def parse(cls, url: str) -> Self:
        """Read `postgresql://[USER[:PASSWORD]@][HOST][:PORT]/DATABASE[?OPTION=...]` as libpq does (its manual, 34.1.1).

        Anything else is an InvalidError, which does not repeat it.
        """
        if not url.startswith(_SCHEMES):
            raise InvalidError("the URL of the database does not begin with postgresql://", hint=_HINT)
        try:
            given = conninfo_to_dict(url)
        except psycopg.ProgrammingError:
            raise InvalidError("the URL of the database cannot be read", hint=_HINT) from None
        parameters = {name: str(value) for name, value in given.items() if value is not None}
        if "@" in parameters.get("host", ""):
            raise InvalidError(
                "the URL of the database holds more than one @", hint="Write %40 for an @ in a password."
            )
        host = parameters.get("host") or parameters.get("hostaddr") or ""
        port = f":{parameters['port']}" if "port" in parameters else ""
        place = f"postgresql://{host}{port}/{parameters.get('dbname', '')}"
        return cls(place, _PATIENT | parameters | {"client_encoding": "UTF8"})
