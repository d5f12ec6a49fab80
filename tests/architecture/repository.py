"""What the tests of this folder read: documents, modules, tests and the project file."""

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
PACKAGES: Final = ("fhirserver", "adapters", "subscriptions", "simulator", "conformance")
ROOT_DOCUMENTS: Final = (
    "README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
)
# A test as documents name it: `tests/unit/x/test_y.py::test_z`, ready for pytest's command line.
TEST_NAME: Final = re.compile(r"\btests/[\w/]+\.py(?:::\w+)*")


def modules() -> Iterator[Path]:
    """Every Python file of the product, relative to the repository."""
    for package in PACKAGES:
        yield from (path.relative_to(ROOT) for path in sorted((ROOT / package).rglob("*.py")))


def documents() -> tuple[Path, ...]:
    """Every document, relative to the repository; root documents first."""
    under_docs = sorted(path.relative_to(ROOT) for path in (ROOT / "docs").rglob("*.md"))
    return (*(Path(name) for name in ROOT_DOCUMENTS), *under_docs)


def text(name: str | Path) -> str:
    """The text of a file of the repository."""
    return (ROOT / name).read_text(encoding="utf-8")


def project() -> dict[str, Any]:
    """The project file."""
    return tomllib.loads(text("pyproject.toml"))


def rows(document: str, heading: str) -> list[list[str]]:
    """The cells of the first table below `heading`, without its two header lines."""
    lines = text(document).splitlines()
    start = next(place for place, line in enumerate(lines) if line.strip() == heading)
    found: list[list[str]] = []
    for line in lines[start + 1 :]:
        if line.startswith("|"):
            found.append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
        elif found:
            break
    return found[2:]


@cache
def names_of_tests(name: str) -> frozenset[str]:
    """The names of the tests, and of what defines tests, in one test file."""
    tree = ast.parse(text(name))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    named = {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, (*functions, ast.ClassDef)) and node.name.lower().startswith("test")
    }
    assigned = {
        target.id
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name) and target.id.lower().startswith("test")
    }
    return frozenset(named | assigned)
