"""The static security scan: every rule is on, nothing is open, and what is excused has its reason beside it."""

import re
import subprocess
import sys
import tomllib

from tests.architecture.repository import PACKAGES, ROOT, modules, text

CONFIGURATION = tomllib.loads(text("pyproject.toml"))["tool"]["ruff"]["lint"]
# Named here and in pyproject.toml: what is let through everywhere, or for whole folders.
EVERYWHERE = {"S101"}
BY_FOLDER = {"S311", "S603", "S608"}
_EXCUSED = re.compile(r"# noqa: [^-]*\bS\d{3}")


def test_every_rule_of_the_scan_is_on() -> None:
    assert CONFIGURATION["select"] == ["ALL"]
    assert {rule for rule in CONFIGURATION["ignore"] if re.fullmatch(r"S\d*", rule)} == EVERYWHERE
    of_folders = {
        rule
        for folder, rules in CONFIGURATION["per-file-ignores"].items()
        for rule in rules
        if re.fullmatch(r"S\d*", rule) and not folder.startswith("tests/")
    }
    assert of_folders == BY_FOLDER


def test_the_scan_finds_nothing() -> None:
    finished = subprocess.run(
        [
            sys.executable,
            "-m",
            "ruff",
            "check",
            "--select",
            "S",
            "--ignore",
            *EVERYWHERE,
            *PACKAGES,
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stdout


def test_what_is_excused_in_place_says_why() -> None:
    unexplained = []
    for path in modules():
        lines = text(path).splitlines()
        for number, line in enumerate(lines):
            excused = _EXCUSED.search(line)
            if excused is None:
                continue
            has_reason = " - " in line[excused.start() :]
            above = number > 0 and lines[number - 1].lstrip().startswith("#")
            if not (has_reason or above):
                unexplained.append(f"{path}:{number + 1}")
    assert not unexplained
