"""Every example in the documentation runs, and prints what it is said to print."""

from pathlib import Path

import pytest

from tests.docs.pages import PAGES, blocks, commands, matches, name_of, run_examples

WITH_EXAMPLES = [page for page in PAGES if any(block.language in {"console", "python"} for block in blocks(page))]


@pytest.mark.slow
@pytest.mark.parametrize("page", WITH_EXAMPLES, ids=name_of)
def test_examples_run(page: Path, tmp_path: Path) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    run_examples(page, folder)


def test_there_are_examples() -> None:
    assert {"docs/tutorial.md", "docs/reference/sdk.md"} <= {name_of(page) for page in WITH_EXAMPLES}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("```console\n$ echo a\nb\n```\n", "is not what is shown"),
        ("```console\n$ false\n```\n", "false"),
        ("```console\n$ true\nerror: ...\n```\n", "true"),
        ("```python\nassert 1 == 2\n```\n", "AssertionError"),
    ],
)
def test_an_example_that_is_wrong_fails(tmp_path: Path, text: str, problem: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)
    with pytest.raises(AssertionError, match=problem):
        run_examples(page, tmp_path)


def test_the_dots_stand_for_anything() -> None:
    assert commands("$ a\nx\n$ b\n") == [("a", "x\n"), ("b", "")]
    assert matches("", "whatever")
    assert matches("a ... c\n...\n", "a b c\nd\ne\n")
    assert not matches("a ... c\n", "a b d\n")
    assert not matches("a\n", "a\nb\n")
