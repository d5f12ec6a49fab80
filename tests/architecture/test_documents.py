"""The documents stay true: what they name exists, and what exists is named."""

import re
from decimal import Decimal
from pathlib import Path

import pytest

from adapters.mqtt import messages, worker
from fhirserver.kernel import errors
from fhirserver.kernel.errors import FhirError
from fhirserver.settings import Settings
from subscriptions.core import constants, ladder_pace, timing
from subscriptions.core.rule_reader import read_defaults
from subscriptions.evaluation.rule_book import shipped_plan
from tests.architecture import settings_table
from tests.architecture.repository import (
    ROOT,
    TEST_NAME,
    documents,
    names_of_tests,
    project,
    rows,
    text,
)

DOCUMENTS = documents()
HAZARDS = "docs/hazards.md"
RULES = "docs/rules.md"
WATCHING = "docs/watching.md"
LADDER = "docs/ladder.md"
# A path of one person's machine; `/home` inside a topic or URL is none.
MACHINE_PATH = re.compile(r"(?<![\w./}])/(?:work|tmp|root|home|Users|mnt)/")
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)]*)?\)")


def test_the_table_of_settings_is_what_the_code_says() -> None:
    assert settings_table.written() == settings_table.table(), (
        "run: python -m tests.architecture.settings_table"
    )


def test_no_document_names_a_setting_that_does_not_exist() -> None:
    known = {item.name for item in Settings.describe()}
    assigned = re.compile(r"^(?:\$ )?(?:export )?([A-Z][A-Z_]+)=", re.MULTILINE)
    for document in DOCUMENTS:
        for block in re.findall(r"```(?:sh|bash|ini)\n(.*?)```", text(document), re.DOTALL):
            for name in assigned.findall(block):
                assert name in known | {"TOKEN", "BASE", "CODE"}, f"{document}: {name}"


def test_every_refusal_is_in_the_table_of_the_interface() -> None:
    refusals = {
        kind.__name__: kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, FhirError) and kind is not FhirError
    }
    table = {row[0].strip("`"): row for row in rows("docs/api.md", "## Refusals")}
    assert set(table) == set(refusals)
    for name, kind in refusals.items():
        assert table[name][1:3] == [str(kind.status), f"`{kind.code}`"], name


def test_every_dependency_has_its_reason() -> None:
    given = project()["project"]
    pinned = [*given["dependencies"], *given["optional-dependencies"]["dev"]]
    wanted = {re.split(r"[=\[]", requirement)[0] for requirement in pinned}
    (document,) = (ROOT / "docs" / "adr").glob("*-dependencies.md")
    name = document.relative_to(ROOT).as_posix()
    found = rows(name, "## Runtime") + rows(name, "## Development")
    assert {row[0].strip("`") for row in found} == wanted
    assert all(row[1] for row in found)


def test_every_dead_letter_reason_is_told_to_device_makers() -> None:
    reasons = {
        messages.MALFORMED,
        messages.NOT_A_NUMBER,
        messages.NULL_VALUE,
        messages.UNKNOWN_METRIC,
        messages.UNKNOWN_DEVICE,
        messages.WRONG_UNIT,
        messages.WRONG_DEVICE,
        worker.UNSTORABLE,
    }
    table = {row[0].strip("`") for row in rows("docs/telemetry.md", "## Dead letters")}
    assert table == reasons


def test_the_ladder_is_told_as_it_is_timed() -> None:
    told = {row[0]: row[1:] for row in rows(LADDER, "## The ladder")}
    high, medium = timing.LADDERS["PH"], timing.LADDERS["PM"]
    for rung in (1, 2, 3):
        wanted = [f"{int(one.rungs[rung].total_seconds())} s" for one in (high, medium)]
        assert told[f"rung {rung}"][:2] == wanted
    assert high.emergency is not None
    emergency = int(high.emergency.total_seconds())
    assert told["emergency prompt"][:2] == [f"{emergency} s", "never"]
    exhausted = [f"{int(one.exhausted.total_seconds())} s" for one in (high, medium)]
    assert told["everyone and the operator"][:2] == exhausted
    repeats = [f"every {int(one.repeat_every.total_seconds())} s" for one in (high, medium)]
    assert [cell.split(" for ")[0].split(" by ")[0] for cell in told["repeat"][:2]] == repeats
    again = [f"{int(high.realarm.total_seconds())} s", f"{medium.realarm.seconds // 60} minutes"]
    assert [cell.split(" after ")[0] for cell in told["rings again"][:2]] == again
    assert told["rings again"][0].endswith(f"every {high.nag.seconds // 60} minutes")


def test_the_times_a_patient_may_have_are_told_as_they_are_checked() -> None:
    told = {row[0].strip("`"): row[1:] for row in rows(LADDER, "### Times of a patient's own")}
    for column, priority in enumerate(("PH", "PM")):
        bounds = ladder_pace.BOUNDS[priority]  # type: ignore[index]  # a literal
        for part, cells in told.items():
            between = bounds.get(part)  # type: ignore[call-overload]  # text of a table
            wanted = "none" if between is None else f"{between[0]} to {between[1]} s"
            assert cells[column] == wanted, part
        assert set(bounds) <= set(told)


def test_the_default_rules_are_told_as_they_are() -> None:
    told = {row[0].split("`")[1]: " ".join(row[1:]) for row in rows(RULES, "## Default rules")}
    rules = {rule.id: rule for rule in read_defaults(shipped_plan()).rules}
    assert set(told) == set(rules)
    for name, rule in rules.items():
        numbers = [rule.low, rule.high, rule.floor_low, rule.floor_high, rule.hysteresis or None]
        if rule.change is not None:
            numbers.append(abs(rule.change.by))
        if rule.interval is not None:
            numbers.append(Decimal(rule.interval) / 60)
        for number in (one for one in numbers if one is not None):
            assert re.search(rf"(?<![\d-]){number}\b", told[name]), f"{name}: {number}"
        assert told[name].endswith(rule.priority), name
        assert not rule.sustained or f"{rule.sustained:.0f} s" in told[name], name


def test_silence_is_told_as_it_is_timed() -> None:
    page = text(WATCHING)
    assert f"{constants.SILENT_AFTER.value:.0f} s" in page
    assert f"{constants.MONITORING_LOST_AFTER.value:.0f} s" in page


def test_hazards_name_a_test_or_say_open() -> None:
    hazards = rows(HAZARDS, "## Table")
    assert len(hazards) >= 20
    numbers = [row[0] for row in hazards]
    assert len(set(numbers)) == len(numbers)
    for number, hazard, control, proof in hazards:
        assert hazard, number
        assert control, number
        assert TEST_NAME.search(proof) or proof.startswith("open"), number


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_tests_that_are_named_exist(document: Path) -> None:
    for name in TEST_NAME.findall(text(document)):
        path, *inside = name.split("::")
        assert (ROOT / path).is_file(), f"{document}: {name}"
        assert set(inside) <= names_of_tests(path), f"{document}: {name}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_links_lead_somewhere(document: Path) -> None:
    for target in LINK.findall(text(document)):
        if "://" not in target and not target.startswith("mailto:"):
            assert (ROOT / document.parent / target).exists(), f"{document}: {target}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=str)
def test_no_document_knows_a_machine(document: Path) -> None:
    assert not MACHINE_PATH.search(text(document))


def test_decisions_are_numbered_without_gap_and_say_why() -> None:
    decisions = sorted((ROOT / "docs" / "adr").glob("[0-9]*.md"))
    numbers = [int(path.name[:4]) for path in decisions]
    assert numbers == list(range(1, len(numbers) + 1))
    for path in decisions:
        content = path.read_text(encoding="utf-8")
        for heading in ("## Context", "## Decision", "## Consequences"):
            assert heading in content, f"{path.name} has no {heading}"


def test_the_readme_names_every_command_it_promises() -> None:
    targets = re.findall(r"^([a-z-]+):.*## ", text("Makefile"), re.MULTILINE)
    promised = set(re.findall(r"(?:`|^)make ([a-z-]+)", text("README.md"), re.MULTILINE))
    assert {"run", "test", "check", "test-all"} <= promised <= set(targets)
