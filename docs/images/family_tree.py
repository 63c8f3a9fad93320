"""Draws family-tree.svg: `python docs/images/family_tree.py`."""  # noqa: INP001  # a script, not a package

from pathlib import Path

FILE = Path(__file__).with_suffix("").with_name("family-tree.svg")
STEP, LEFT, TOP = 64, 40, 44
VERSIONS = (
    ("1.0.0", "Baseline", ""),
    ("1.1.0", "Adds the credit history", "production"),
    ("1.2.0", "Looks better, proves bad", "was production"),
)


def draw() -> str:
    """Return the picture as SVG."""
    bottom = TOP + STEP * (len(VERSIONS) - 1)
    label = "Three versions in a line; production points at the second again"
    head = f'viewBox="0 0 560 {bottom + 44}" font-family="sans-serif" font-size="15" role="img" aria-label="{label}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {head}>',
        f'<rect width="560" height="{bottom + 44}" rx="8" fill="#ffffff"/>',
        f'<path d="M{LEFT} {TOP}V{bottom}" stroke="#57606a" stroke-width="2"/>',
    ]
    for place, (number, what, alias) in enumerate(VERSIONS):
        height = TOP + STEP * place
        fill = "#1a7f37" if alias == "production" else "#57606a"
        parts.append(f'<circle cx="{LEFT}" cy="{height}" r="8" fill="{fill}"/>')
        parts.append(f'<text x="{LEFT + 24}" y="{height + 5}"><tspan font-weight="bold">{number}</tspan> {what}</text>')
        if alias:
            parts.append(f'<text x="400" y="{height + 5}" fill="{fill}">{alias}</text>')
    first, last = TOP + STEP + 14, bottom - 18
    parts.append(f'<path d="M450 {last}V{first}m-5 8l5-8l5 8" stroke="#1a7f37" stroke-width="2" fill="none"/>')
    parts.append(f'<text x="464" y="{(first + last) // 2 + 5}" fill="#1a7f37">alias back</text>')
    return "\n".join([*parts, "</svg>\n"])


if __name__ == "__main__":
    FILE.write_text(draw(), encoding="utf-8")
