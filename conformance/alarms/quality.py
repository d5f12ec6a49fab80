"""Runs the sessions of a quality report, in several processes, with progress."""

import json
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from conformance.alarms.case import Case, Group, cases
from conformance.alarms.figures import figures
from conformance.alarms.rehearsal import rehearsing
from conformance.alarms.result import Result
from conformance.alarms.session import play_case

A_CHUNK: Final = 5
PLAN: Final = Path("subscriptions/content/default-rules.json")
DISLODGEMENT_RULE: Final = "venous-pressure-fall"

Json = dict[str, Any]

Say = Callable[[str], object]


def measure(
    seed: int,
    sessions: int,
    processes: int,
    say: Say,
    *,
    only: Group | None = None,
    defaults: Path | None = None,
) -> list[Result]:
    """Simulate `sessions` sessions from `seed` and return what came of them, by number.

    `defaults`: other default rules than those shipped (a PlanDefinition).
    """
    wanted = cases(seed, sessions, only)
    chunks = [wanted[at : at + A_CHUNK] for at in range(0, len(wanted), A_CHUNK)]
    results: list[Result] = []
    begun = time.monotonic()
    with ProcessPoolExecutor(processes) as pool:
        for finished in as_completed([pool.submit(run_chunk, chunk, defaults) for chunk in chunks]):
            results += finished.result()
            say(progress(results, sessions, time.monotonic() - begun))
    return sorted(results, key=lambda one: one.case.number)


def what_if(
    seed: int, sessions: int, processes: int, falls: Sequence[float], say: Say
) -> list[Json]:
    """Return what other thresholds of the dislodgement rule find and cost, over the same sessions."""
    variants: list[Json] = []
    with TemporaryDirectory() as place:
        for fall in falls:
            say(f"with a fall of {fall:g} mm[Hg]:")
            plan = Path(place) / f"{fall:g}.json"
            plan.write_text(json.dumps(with_fall(json.loads(PLAN.read_text()), fall)))
            found = figures(measure(seed, sessions, processes, say, defaults=plan))
            variants.append(
                {
                    "delta": fall,
                    "sessions": sessions,
                    "clean_sessions": found["clean"]["sessions"],
                    "false_high_per_100": found["clean"]["false_high_per_100"],
                    "curve": found["dislodgement"]["curve"],
                }
            )
    return variants


def with_fall(plan: Json, fall: float) -> Json:
    """Return the default rules with another threshold of the dislodgement rule.

    Raises ValueError when they have no such rule.
    """
    for action in plan["action"]:
        for rule in action.get("extension", ()):
            parts = {part["url"]: part for part in rule.get("extension", ())}
            if parts.get("id", {}).get("valueId") == DISLODGEMENT_RULE:
                parts["delta"]["valueQuantity"]["value"] = -fall
                return plan
    raise ValueError(f"no rule {DISLODGEMENT_RULE}")


def run_chunk(chunk: Sequence[Case], defaults: Path | None = None) -> list[Result]:
    """Simulate some cases, one after another, with a rehearsal of their own."""
    with rehearsing(defaults) as rehearsal:
        return [play_case(case, rehearsal) for case in chunk]


def progress(results: Sequence[Result], sessions: int, elapsed_s: float) -> str:
    """Return how far a run is, in one line."""
    clean = [one for one in results if one.case.group == "clean"]
    accidents = [one for one in results if one.case.group != "clean"]
    left_s = elapsed_s / len(results) * (sessions - len(results)) if results else 0.0
    return (
        f"  {len(results):5d}/{sessions} sessions  {elapsed_s:6.0f} s  (about {left_s:.0f} s left)"
        f"  clean {len(clean)}: {sum(len(one.high) for one in clean)} false PH"
        f"  accidents {len(accidents)}: "
        f"{sum(one.after_s is not None for one in accidents)} found"
    )
