"""Checks: what is required of a server, and how it is tried."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from conformance.smart.scene import Scene

Outcome = Literal["passed", "failed", "skipped"]
Try = Callable[[Scene], None]


class Broken(Exception):
    """The server does not do what is required; the message says what it did."""


class NotGiven(Exception):
    """The check needs something the tester was not given; the message says what."""


@dataclass(frozen=True, slots=True)
class Check:
    """`requirement` in one sentence, and what tries it. Raises `Broken` or `NotGiven`."""

    name: str
    requirement: str
    attempt: Try


@dataclass(frozen=True, slots=True)
class Result:
    """How one check ended; `said` is why, where it did not pass."""

    name: str
    requirement: str
    outcome: Outcome
    said: str = ""


CHECKS: list[Check] = []


def check(attempt: Try) -> Try:
    """Register a function as the check of what its docstring requires, under its own name."""
    name = attempt.__name__.replace("_", "-")
    CHECKS.append(Check(name, (attempt.__doc__ or "").rstrip("."), attempt))
    return attempt


def require(condition: object, said: str) -> None:
    """Raise `Broken` unless `condition` holds."""
    if not condition:
        raise Broken(said)


def run(scene: Scene, wanted: Check) -> Result:
    """Return how `wanted` ended on the server of `scene`."""
    try:
        wanted.attempt(scene)
    except Broken as problem:
        return Result(wanted.name, wanted.requirement, "failed", str(problem))
    except NotGiven as problem:
        return Result(wanted.name, wanted.requirement, "skipped", str(problem))
    except (KeyError, ValueError, TypeError) as problem:
        # What a server says may have any shape.
        return Result(wanted.name, wanted.requirement, "failed", repr(problem))
    return Result(wanted.name, wanted.requirement, "passed")
