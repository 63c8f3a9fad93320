"""Tables, sheets and trees for a terminal. Loaded when something is drawn, and never with `--json`.

Invariant: what came from users is a `Text` made safe before, never markup.
"""

from stemma.cli.drawing import exchange, family, people, reports, sheets, tables
from stemma.cli.drawing.progress import TerminalProgress
from stemma.cli.drawing.rendering import render

__all__ = ["TerminalProgress", "exchange", "family", "people", "render", "reports", "sheets", "tables"]
