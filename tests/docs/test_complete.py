"""The documentation is complete and agrees with the code: settings, errors, layers, SDK, links, words, pictures."""

import re
import runpy
import tomllib
from pathlib import Path

import pytest

import stemma
from stemma.client import Repository
from stemma.errors import ANSWERS
from stemma.settings import SETTINGS
from tests.docs.pages import DOCS, PAGES, ROOT, blocks, name_of, run

LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
WORD = re.compile(r"`(\w+)`")
NOUNS = {"aliases", "branches", "lineage", "people", "tokens", "audit", "database", "webhooks", "upkeep"}
"""What a repository holds; set when it is opened."""
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


def rows(page: Path) -> list[list[str]]:
    """Return the cells of all rows of a page's tables."""
    lines = [line for line in page.read_text("utf-8").splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_setting_is_documented_as_it_is() -> None:
    documented = {row[0].strip("`"): row for row in rows(DOCS / "reference" / "settings.md")[1:]}
    assert list(documented) == [setting.key for setting in SETTINGS]
    for setting in SETTINGS:
        default = "" if setting.default is None else f"`{setting.default}`"
        shared = "yes" if setting.shared else "no"
        assert documented[setting.key][1:] == [f"`{setting.variable}`", default, shared, setting.help]


def test_every_error_is_documented_as_it_is() -> None:
    documented = [row[:4] for row in rows(DOCS / "reference" / "errors.md")[1:]]
    assert documented == [
        [f"`{kind.__name__}`", f"`{kind.code}`", str(answer.http_status), str(answer.exit_code)]
        for kind, answer in ANSWERS.items()
    ]


def test_the_picture_of_imports_is_the_contract() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
    layers = next(contract["layers"] for contract in contracts if contract["id"] == "layers")
    drawn = next(block.text for block in blocks(DOCS / "architecture.md") if block.language == "layers")
    assert drawn.splitlines() == layers


def test_the_sdk_is_documented() -> None:
    text = (DOCS / "reference" / "sdk.md").read_text("utf-8")
    for name in stemma.__all__:
        assert f"`stemma.{name}`" in text or f"## {name}" in text, name
    documented = {row[0].strip("`").removeprefix("Repository.") for row in rows(DOCS / "reference" / "sdk.md")[1:]}
    assert documented == {name for name in vars(Repository) if not name.startswith("_")} - {"root"} | NOUNS


def test_the_nouns_of_the_sdk_are_documented(tmp_path: Path) -> None:
    cells = {row[0].strip("`").removeprefix("Repository."): row[1] for row in rows(DOCS / "reference" / "sdk.md")[1:]}
    with Repository.init(tmp_path) as repository:
        for noun in NOUNS:
            methods = {name for name in vars(type(getattr(repository, noun))) if not name.startswith("_")}
            assert set(WORD.findall(cells[noun])) == methods, noun


def test_every_decision_is_listed() -> None:
    listed = set(LINK.findall((DOCS / "decisions" / "README.md").read_text("utf-8")))
    assert listed == {file.name for file in (DOCS / "decisions").glob("0*.md")}


def test_the_glossary_is_in_order_and_says_each_noun_once() -> None:
    nouns = [row[0] for row in rows(DOCS / "glossary.md")[1:]]
    assert nouns == sorted(set(nouns))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(page.read_text("utf-8")):
        if "://" in link:
            continue
        path, _, fragment = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if fragment:
            assert fragment in {anchor(heading) for heading in HEADING.findall(target.read_text("utf-8"))}, link


def anchor(heading: str) -> str:
    """Return the anchor that a heading gets on a page."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_the_picture_is_what_its_script_draws() -> None:
    script = runpy.run_path(str(DOCS / "images" / "family_tree.py"))
    assert (DOCS / "images" / "family-tree.svg").read_text("utf-8") == script["draw"]()


def test_the_readme_shows_the_help_that_the_command_prints() -> None:
    done = run(["stemma", "--help"], ROOT)
    assert [block.text for block in blocks(ROOT / "README.md") if block.text.startswith("Usage: ")] == [done.stdout]


@pytest.mark.parametrize("folder", ["how-to", "explanation", "reference"])
def test_the_readme_leads_to_every_page(folder: str) -> None:
    linked = {link for link in LINK.findall((ROOT / "README.md").read_text("utf-8")) if f"/{folder}/" in link}
    assert linked == {name_of(page) for page in (DOCS / folder).glob("*.md")}


def test_the_benchmarks_that_are_named_are_there() -> None:
    named = set(re.findall(r"`python -m bench\.(\w+)`", (DOCS / "benchmarks.md").read_text("utf-8")))
    assert named == {file.stem for file in (ROOT / "bench").glob("*.py")}


def test_the_readme_says_how_to_test() -> None:
    assert "make test" in (ROOT / "README.md").read_text("utf-8")
    assert "make test" in (ROOT / ".ci" / "run").read_text("utf-8")
