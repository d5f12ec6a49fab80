"""A blood circuit as numbers, second by second, and what the default rules make of them."""

from collections.abc import Callable, Iterable
from decimal import Decimal

from fhirserver.kernel.readings import Mode, Reading
from subscriptions.core.evaluate import evaluate
from subscriptions.core.findings import Finding
from subscriptions.core.rule import Rule, RuleSet
from subscriptions.core.rules import compile_rules
from subscriptions.core.window import Window, decode, encode
from tests.unit.subscriptions.rules.world import ARTERIAL, DEFAULTS, START, VENOUS, at

FLOW = "158740"
UNITS = {VENOUS: "mm[Hg]", ARTERIAL: "mm[Hg]", FLOW: "mL/min"}
RULES = compile_rules((), DEFAULTS, START)

Shape = Callable[[int], float]


def still(value: float) -> Shape:
    return lambda _: value


STEADY_FLOW = still(400)
STEADY_ARTERIAL = still(-120)


def ripple(second: int) -> int:
    """A few mm[Hg] of pump and breathing, always the same."""
    return (0, 2, -1, 1, -2, 0, 1, -1)[second % 8]


def second(
    number: int,
    venous: float,
    flow: float | None = 400,
    arterial: float = -120,
    *,
    mode: Mode | None = "TX",
    late: float = 0.0,
    bound: bool = True,
) -> list[Reading]:
    """Return what the machine sends for one second."""
    values = {VENOUS: venous, ARTERIAL: arterial} | ({} if flow is None else {FLOW: flow})
    return [
        Reading(
            patient="ann",
            device="machine-ann",
            code=code,
            value=Decimal(round(value)),
            unit=UNITS[code],
            effective=at(number),
            received=at(number + late),
            age=late,
            observation=f"o-{code}-{number}",
            mode=mode,
            bound=bound,
            simulated=False,
        )
        for code, value in values.items()
    ]


def seconds(
    first: int,
    last: int,
    venous: Shape,
    flow: Shape = STEADY_FLOW,
    arterial: Shape = STEADY_ARTERIAL,
) -> list[list[Reading]]:
    """Return `first` to `last`, excluding `last`, with ripple on the venous pressure."""
    return [
        second(number, venous(number) + ripple(number), flow(number), arterial(number))
        for number in range(first, last)
    ]


def fall(by: float, when: int, within: int = 2, level: float = 170) -> Shape:
    """Return a venous pressure that falls `by` mm[Hg] from second `when` on."""
    return lambda number: level - by * min(1.0, max(0.0, (number - when) / within))


def watched(
    messages: Iterable[list[Reading]], window: Window | None = None, rules: RuleSet = RULES
) -> list[Finding]:
    """Return what is found, a restart after every tenth message."""
    window = window or Window()
    found: list[Finding] = []
    for number, message in enumerate(messages):
        found += evaluate(window, rules, message)
        if number % 10:
            continue
        again = decode(encode(window))
        window.entries, window.traces = again.entries, again.traces
        window.treated, window.overdue = again.treated, again.overdue
        window.measured = again.measured
    return found


def told(found: Iterable[Finding]) -> list[tuple[str, str, str]]:
    """Return what changed: (what, code, priority), repeats left out."""
    return [(one.what, one.code, one.priority) for one in found if one.what != "still-breached"]


def rules_of(*own: Rule) -> RuleSet:
    return compile_rules(own, DEFAULTS, START)
