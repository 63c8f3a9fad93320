"""Files, functions, classes and folders stay small enough to read in one sitting, or say here why they do not."""

import ast
import re

import pytest

from tests.architecture.source import FILES, FOLDERS, bases_of, classes_of, functions_of, text_of, tree_of

MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 50
MAX_PUBLIC_METHODS = 15
MAX_PROTOCOL_METHODS = 8
MAX_FOLDER_MODULES = 12

# What may be larger: "file", "file:function", "file:Class" or "folder", with the reason.
REASONS: dict[str, str] = {
    "cli/commands": "one file for each command, so that each is loaded alone; nothing else may live there",
    "client/repository.py:Repository": "what people type: one flat object with a method for each thing to do to a "
    "version or model; it holds no logic, the other nouns are objects of their own",
    "client/repository.py:push": "one keyword for each thing that can be said of a version, each named twice",
}


def sizes() -> dict[str, tuple[int, int]]:
    """Return the size and the limit of everything that has one."""
    found: dict[str, tuple[int, int]] = {}
    for folder in FOLDERS:
        modules = [
            file for file in FILES if re.fullmatch(re.escape("" if folder == "." else f"{folder}/") + r"[^/]+", file)
        ]
        found[folder] = (len(modules), MAX_FOLDER_MODULES)
    for file in FILES:
        found[file] = (len(text_of(file).splitlines()), MAX_FILE_LINES)
        for function in functions_of(tree_of(file)):
            lines = (function.end_lineno or 0) - function.lineno + 1
            key = f"{file}:{function.name}"
            found[key] = max(found.get(key, (0, 0)), (lines, MAX_FUNCTION_LINES))
        for node in classes_of(tree_of(file)):
            functions = [item for item in node.body if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)]
            methods = [item.name for item in functions if not item.name.startswith("_")]
            limit = MAX_PROTOCOL_METHODS if "Protocol" in bases_of(node) else MAX_PUBLIC_METHODS
            found[f"{file}:{node.name}"] = (len(methods), limit)
    return found


def test_nothing_is_too_large_without_a_reason() -> None:
    too_large = {name: size for name, (size, limit) in sizes().items() if size > limit and name not in REASONS}
    assert too_large == {}


def test_every_reason_is_still_needed() -> None:
    found = sizes()
    planned = {"cli/commands"}  # the folder grows to its size with the commands
    unneeded = {name for name in REASONS if name not in planned and not found.get(name, (0, 1))[0] > found[name][1]}
    assert unneeded == set()


VAGUE = re.compile(
    r"^(util|utils|helper|helpers|common|misc|manager|managers|handler|handlers|base|core|tools|stuff|lib)$"
)
VAGUE_CLASS = re.compile(r"(Manager|Helper|Util|Utils|Handler|Base|Common|Core|Misc|Impl|Wrapper)$")


@pytest.mark.parametrize("file", FILES)
def test_names_say_what_is_meant(file: str) -> None:
    for part in file.removesuffix(".py").split("/"):
        assert not VAGUE.match(part.strip("_")), part
    for node in classes_of(tree_of(file)):
        assert not VAGUE_CLASS.search(node.name), node.name
        if any(base.endswith(("Error", "Exception")) for base in bases_of(node)):
            assert node.name.endswith("Error"), f"{node.name} is an error: it ends in Error"


# Names that a foreign base class prescribes.
PRESCRIBED = {"cli/__init__.py:get_command", "backends/database/dialect.py:get_col_spec"}


@pytest.mark.parametrize("file", FILES)
def test_verbs_are_not_get(file: str) -> None:
    for function in functions_of(tree_of(file)):
        if f"{file}:{function.name}" not in PRESCRIBED:
            assert not function.name.lstrip("_").startswith("get_"), function.name


@pytest.mark.parametrize("file", FILES)
def test_every_module_says_what_is_kept_here(file: str) -> None:
    docstring = ast.get_docstring(tree_of(file))
    assert docstring, "the first line says what is kept here"
    assert docstring.splitlines()[0].endswith("."), "and is a sentence"
