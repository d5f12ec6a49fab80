"""Known weaknesses of what the server runs with: ``python -m tests.supply_chain.dependency_audit [--strict]``.

pip-audit asks OSV (https://osv.dev) about every pinned package of requirements.txt. A weakness ends it with 1. Where the
database cannot be asked, that is said in so many words, and with --strict it is a failure (2) as well; a release is made
with --strict. A clean answer is not asked for again for a day, unless a version changes.
"""

import hashlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]
REQUIREMENTS: Final = ROOT / "requirements.txt"
STAMP: Final = ROOT / ".venv" / ".audited"
GOOD_FOR_SECONDS: Final = 24 * 3600
CLEAN, WEAK, NOT_ASKED = 0, 1, 2
_PATIENCE_SECONDS: Final = 300

Ask = Callable[[Path], bool]


def asked(report: Path) -> bool:
    """Let pip-audit write its report; return whether it could."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(REQUIREMENTS)]
    command += ["--no-deps", "--disable-pip", "--vulnerability-service", "osv"]
    command += ["--format", "json", "--output", str(report), "--progress-spinner", "off"]
    # It ends with 1 for a weakness as for a network that is away: only the report tells them apart.
    subprocess.run(command, capture_output=True, timeout=_PATIENCE_SECONDS, check=False)
    return report.exists()


def weaknesses(report: dict[str, Any]) -> list[str]:
    """What the report found, one line each."""
    return [
        f"{one['name']} {one['version']}: {found['id']}"
        f" (mended in {', '.join(found['fix_versions']) or 'no version yet'})"
        for one in report["dependencies"]
        for found in one.get("vulns", ())
    ]


def audit(ask: Ask, stamp: Path, now: float, say: Callable[[str], None]) -> int:
    """Tell by `say` what is known; return CLEAN, WEAK or NOT_ASKED."""
    pins = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    is_fresh = stamp.exists() and now - stamp.stat().st_mtime < GOOD_FOR_SECONDS
    if is_fresh and stamp.read_text() == pins:
        say("no known weakness (asked within a day)")
        return CLEAN
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "report.json"
        if not ask(file):
            say("NOT AUDITED: the database of weaknesses (api.osv.dev) could not be asked.")
            say(
                "Nothing is known about the packages in requirements.txt; ask again with a network."
            )
            return NOT_ASKED
        report = json.loads(file.read_text())
    found = weaknesses(report)
    for line in found:
        say(line)
    if found:
        return WEAK
    stamp.write_text(pins)
    say(f"no known weakness in {len(report['dependencies'])} packages")
    return CLEAN


def main(arguments: Sequence[str]) -> int:
    """The exit code."""
    result = audit(asked, STAMP, time.time(), print)
    return CLEAN if result == NOT_ASKED and "--strict" not in arguments else result


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
