"""The table of routes in the reference, written from the routes themselves.

`python -m tests.wire.native.reference` writes it to docs/reference/http-api.md again.
"""

from pathlib import Path

from stemma.http.watching.health import open_health
from stemma.wire.native.door import open_native

PAGE = Path(__file__).parents[3] / "docs/reference/http-api.md"
HEADING = "## Routes\n"


def table() -> str:
    """Return the table of all routes, by path."""
    routes = (*open_native().routes, *open_health(bytes).routes)
    rows = ["| route | operation | permission | what it does |", "|---|---|---|---|"]
    for route in sorted(routes, key=lambda route: (route.path, route.method)):
        permission = "public" if route.public else f"`{route.permission}`" if route.permission else "own"
        says = str(route.description.get("summary", "")).replace("|", "\\|")
        path = route.path.replace(":path}", "}")
        rows.append(f"| `{route.method} {path}` | `{route.operation}` | {permission} | {says} |")
    return "\n".join(rows) + "\n"


def text() -> str:
    """Return the page with the table as it should be."""
    before, heading, _ = PAGE.read_text("utf-8").partition(HEADING)
    return f"{before}{heading}\n{table()}"


if __name__ == "__main__":
    PAGE.write_text(text(), "utf-8")
