"""The source of Stemma as the architecture tests see it: files and their syntax trees."""

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "stemma"
FILES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))
FOLDERS = sorted({str(Path(file).parent) for file in FILES})


@functools.cache
def text_of(file: str) -> str:
    """Return the text of `file`, which is named as in `FILES`."""
    return (PACKAGE / file).read_text(encoding="utf-8")


@functools.cache
def tree_of(file: str) -> ast.Module:
    """Return the syntax tree of `file`."""
    return ast.parse(text_of(file))


def functions_of(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield every function and method in `tree`, at any depth."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def classes_of(tree: ast.AST) -> Iterator[ast.ClassDef]:
    """Yield every class in `tree`, at any depth."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef):
            yield node


def bases_of(node: ast.ClassDef) -> set[str]:
    """Return the last names of the bases of a class, without parameters."""
    return {ast.unparse(base).partition("[")[0].rpartition(".")[2] for base in node.bases}
