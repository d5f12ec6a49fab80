"""What is installed is what was tested: every requirement is pinned, and both files agree."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
PINNED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[a-z,]+\])?==(\S+)$")


def pins(lines: list[str]) -> dict[str, str]:
    """Return name -> version; every line must be an exact pin."""
    found: dict[str, str] = {}
    for line in lines:
        match = PINNED.match(line)
        assert match is not None, f"not an exact version: {line}"
        found[re.sub(r"[-_.]+", "-", match[1]).lower()] = match[2]
    return found


def locked(name: str) -> dict[str, str]:
    """Return the pins of a requirements file."""
    lines = (ROOT / name).read_text().splitlines()
    return pins([line for line in lines if line and not line.startswith(("#", "-r "))])


def test_runtime_lock_holds_every_dependency_at_its_version() -> None:
    lock = locked("requirements.txt")
    assert pins(PROJECT["dependencies"]).items() <= lock.items()


def test_development_lock_adds_to_the_runtime_lock_without_contradicting_it() -> None:
    runtime, development = locked("requirements.txt"), locked("requirements-dev.txt")
    assert "-r requirements.txt" in (ROOT / "requirements-dev.txt").read_text()
    assert not runtime.keys() & development.keys()
    wanted = pins(PROJECT["optional-dependencies"]["dev"])
    assert wanted.items() <= (runtime | development).items()
