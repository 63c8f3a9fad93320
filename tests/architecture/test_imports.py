"""Imports point downward: the contracts hold, and each of them catches what it is there for."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from importlinter.api import read_configuration
from importlinter.cli import lint_imports

from tests.architecture.source import FILES, PACKAGE, ROOT, tree_of

# Who may import what only few may.
ONLY_FOR = {
    "stemma.backends": ("backends/", "app.py"),
    "stemma.settings": ("app.py", "server.py", "cli/", "client/"),
}
# Where an import inside a function keeps start-up fast.
LAZY = ("__init__.py", "app.py", "server.py", "cli/__init__.py", "client/")
ENVIRONMENT = {"environ", "environb", "getenv", "getenvb", "putenv"}


def test_every_contract_is_kept(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(ROOT)
    code = lint_imports(no_cache=True, no_logo=True)
    assert code == 0, capsys.readouterr().out


VIOLATIONS = {
    "layers": ("records.py", "import stemma.names\n"),
    "wire": ("wire/lfs.py", "import stemma.wire.oci\n"),
    "pure": ("ledger/violation.py", "import stemma.semver\nimport socket\n"),
    "cycles": ("wire/oci.py", "import stemma.wire.lfs\n"),
}


def test_every_contract_has_its_violation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    contracts = read_configuration("pyproject.toml")["contracts_options"]
    assert {contract["id"] for contract in contracts} == set(VIOLATIONS)


@pytest.mark.slow
@pytest.mark.parametrize("contract", VIOLATIONS)
def test_every_contract_catches_its_violation(contract: str, tmp_path: Path) -> None:
    shutil.copytree(PACKAGE, tmp_path / "src" / "stemma", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    for module in ("__init__.py", "lfs.py", "oci.py"):
        planned = tmp_path / "src" / "stemma" / "wire" / module
        planned.parent.mkdir(exist_ok=True)
        planned.touch()
    assert lint(tmp_path, contract).returncode == 0
    if contract == "cycles":
        (tmp_path / "src" / "stemma" / "wire" / "lfs.py").write_text("import stemma.wire.oci\n")
    file, text = VIOLATIONS[contract]
    with (tmp_path / "src" / "stemma" / file).open("a") as violated:
        violated.write(text)
    answer = lint(tmp_path, contract)
    assert answer.returncode == 1
    assert "BROKEN" in answer.stdout


def lint(folder: Path, contract: str) -> subprocess.CompletedProcess[str]:
    """Run one contract of the copy in `folder`."""
    program = str(Path(sys.executable).with_name("lint-imports"))
    environment = {"PYTHONPATH": str(folder / "src"), "PATH": os.defpath, "HOME": str(folder)}
    return subprocess.run(
        [program, "--no-cache", "--contract", contract],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def imports_of(tree: ast.AST) -> set[str]:
    """Return every module that is imported, and every name taken from one as if it were a module."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("file", FILES)
def test_what_is_only_for_few_is_imported_by_no_other(file: str) -> None:
    for imported in imports_of(tree_of(file)):
        for module, allowed in ONLY_FOR.items():
            if imported == module or imported.startswith(f"{module}."):
                assert file.startswith(allowed), f"only {', '.join(allowed)} may import {imported}"


@pytest.mark.parametrize("file", FILES)
def test_imports_stand_at_the_top(file: str) -> None:
    if file.startswith(LAZY[-1]) or file in LAZY:
        return
    tree = tree_of(file)
    inside = [
        node.lineno
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    assert inside == [], "an import inside a function hides a dependency"


@pytest.mark.parametrize("file", [file for file in FILES if file != "settings.py"])
def test_only_settings_reads_the_environment(file: str) -> None:
    for node in ast.walk(tree_of(file)):
        if isinstance(node, ast.Attribute) and node.attr in ENVIRONMENT:
            assert ast.unparse(node.value) != "os", f"line {node.lineno}: ask settings.py"
        if isinstance(node, ast.ImportFrom) and node.module == "os":
            assert not ENVIRONMENT & {alias.name for alias in node.names}, "ask settings.py"


SUBJECTS = ("ledger", "access", "lineage", "artifacts", "datasets", "tracking", "comparison", "registry")
LATER_SUBJECTS = ("governance", "deployment", "federation", "webhooks", "upkeep")


def test_the_front_of_a_subject_does_no_io_either(monkeypatch: pytest.MonkeyPatch) -> None:
    """The contract's wildcards reach what is inside a subject's folder, but not the folder's own `__init__`."""
    monkeypatch.chdir(ROOT)
    pure = next(c for c in read_configuration("pyproject.toml")["contracts_options"] if c["id"] == "pure")
    assert set(pure["source_modules"]) == {f"stemma.{subject}.**" for subject in SUBJECTS + LATER_SUBJECTS}
    for subject in SUBJECTS + LATER_SUBJECTS:
        if f"{subject}/__init__.py" in FILES:
            roots = {name.partition(".")[0] for name in imports_of(tree_of(f"{subject}/__init__.py"))}
            assert not roots & set(pure["forbidden_modules"])
