"""The shape of the code: who may import whom, how long a file may be, what it may be called."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.repository import PACKAGES, ROOT, modules, text

LONGEST = 400
NAMELESS = {"common", "helpers", "manager", "misc", "util", "utils"}


def test_import_contracts_are_kept() -> None:
    script = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports())"
    finished = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr


def test_no_module_is_too_long() -> None:
    lengths = {path.as_posix(): len(text(path).splitlines()) for path in modules()}
    assert {name: length for name, length in lengths.items() if length > LONGEST} == {}


def test_every_package_says_what_it_is_for() -> None:
    folders = {path.parent for path in modules() if "versions" not in path.parts}
    silent = [folder for folder in folders if not (ROOT / folder / "__init__.py").is_file()]
    assert not silent
    for folder in folders:
        assert ast.get_docstring(ast.parse(text(folder / "__init__.py"))), folder


def test_every_module_says_what_it_is_for() -> None:
    undescribed = [
        path
        for path in modules()
        if path.name != "env.py" and not ast.get_docstring(ast.parse(text(path)))
    ]
    assert not undescribed


@pytest.mark.parametrize("package", PACKAGES)
def test_names_explain_themselves(package: str) -> None:
    named = {path.stem for path in (ROOT / package).rglob("*.py")}
    folders = {part for path in modules() for part in Path(path).parts[:-1]}
    assert not (named | folders) & NAMELESS
