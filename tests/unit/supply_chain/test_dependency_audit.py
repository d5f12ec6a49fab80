"""The audit of dependencies: what is known is told, and what is not known is told as such."""

import json
from pathlib import Path
from typing import Any

from tests.supply_chain import dependency_audit
from tests.supply_chain.dependency_audit import CLEAN, GOOD_FOR_SECONDS, NOT_ASKED, WEAK, audit

CLEAN_REPORT = {"dependencies": [{"name": "one", "version": "1.0", "vulns": []}], "fixes": []}
WEAK_REPORT = {
    "dependencies": [
        {
            "name": "one",
            "version": "1.0",
            "vulns": [{"id": "CVE-2026-0001", "fix_versions": ["1.1"], "aliases": []}],
        }
    ]
}


class Auditing:
    """pip-audit that writes `report`, or cannot."""

    def __init__(self, stamp: Path, report: dict[str, Any] | None) -> None:
        self.report = report
        self.stamp = stamp
        self.asked = 0
        self.said: list[str] = []

    def ask(self, file: Path) -> bool:
        self.asked += 1
        if self.report is not None:
            file.write_text(json.dumps(self.report))
        return self.report is not None

    def run(self, later: float = 0.0) -> int:
        now = self.stamp.stat().st_mtime if self.stamp.exists() else 0.0
        return audit(self.ask, self.stamp, now + later, self.said.append)


def test_a_known_weakness_is_named_and_fails(tmp_path: Path) -> None:
    auditing = Auditing(tmp_path / "stamp", WEAK_REPORT)
    assert auditing.run() == WEAK
    assert auditing.said == ["one 1.0: CVE-2026-0001 (mended in 1.1)"]
    assert not auditing.stamp.exists()


def test_a_database_out_of_reach_is_said_and_never_taken_for_clean(
    tmp_path: Path, monkeypatch: Any
) -> None:
    auditing = Auditing(tmp_path / "stamp", None)
    assert auditing.run() == NOT_ASKED
    assert auditing.said[0].startswith("NOT AUDITED")
    assert not auditing.stamp.exists()
    monkeypatch.setattr(dependency_audit, "asked", auditing.ask)
    monkeypatch.setattr(dependency_audit, "STAMP", auditing.stamp)
    assert dependency_audit.main(["--strict"]) == NOT_ASKED


def test_a_clean_answer_is_good_for_a_day(tmp_path: Path) -> None:
    auditing = Auditing(tmp_path / "stamp", CLEAN_REPORT)
    assert auditing.run() == CLEAN
    assert auditing.run(GOOD_FOR_SECONDS - 60) == CLEAN
    assert auditing.asked == 1
    assert auditing.run(GOOD_FOR_SECONDS + 60) == CLEAN
    assert auditing.asked == 2


def test_a_changed_pin_is_asked_about_at_once(tmp_path: Path) -> None:
    auditing = Auditing(tmp_path / "stamp", CLEAN_REPORT)
    auditing.stamp.write_text("other pins")
    assert auditing.run(1) == CLEAN
    assert auditing.asked == 1
