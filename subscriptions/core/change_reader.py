"""The part of a monitoring rule that speaks of change: delta or rate, window, baseline, companions.

`delta` (signed Quantity; a fall is negative) over `window`, or `rate` (Quantity a minute) over
`window`. `baseline-window` compares with the rolling median of what was before. `steady` and
`shared` name a second quantity each: one that must not have changed, and one whose change at the
same time does not count (see `subscriptions.core.baseline`).
"""

from decimal import Decimal
from typing import Final

from fhirserver.kernel.resource import Json
from subscriptions.core.constants import BASELINE_OF_WINDOW, WINDOW_LONGEST, WINDOW_SHORTEST
from subscriptions.core.parameters import BY_CODE
from subscriptions.core.rule import Change, Companion
from subscriptions.core.rule_parts import Part, first, quantity, seconds

_COMPANION: Final = frozenset(("parameter", "within", "effect"))
_NOTHING: Final = Decimal(0)


def read_change(parts: dict[str, list[Json]], unit: str | None, part: Part) -> Change | None:
    """Return the change a rule watches, None when it watches none; problems go to `part`."""
    per_minute = "rate" in parts
    if per_minute and "delta" in parts:
        part.wrong("", "a rule has a delta or a rate, not both")
    if not per_minute and "delta" not in parts:
        for url in ("window", "baseline-window", "steady", "shared"):
            if url in parts:
                part.wrong(url, f"{url} belongs to a delta or a rate")
        return None
    url = "rate" if per_minute else "delta"
    by = _signed(parts, url, unit, part)
    window = seconds(parts, "window", part)
    baseline = seconds(parts, "baseline-window", part)
    if window is None:
        part.wrong("", f"a {url} needs a window", "required")
    elif not WINDOW_SHORTEST.value <= window <= WINDOW_LONGEST.value:
        part.wrong("window", f"a window of {WINDOW_SHORTEST.value:g} s to a week is needed")
    if baseline is not None and per_minute:
        part.wrong("baseline-window", "a rate has no baseline")
    if baseline is not None and window and not 2 <= baseline / window <= BASELINE_OF_WINDOW.value:
        most = BASELINE_OF_WINDOW.value
        part.wrong("baseline-window", f"a baseline of 2 to {most} windows is needed")
    steady = _companion(parts, "steady", part)
    shared = _companion(parts, "shared", part)
    if baseline is None and (steady or shared):
        part.wrong("", "steady and shared need a baseline-window")
    if part.problems or by is None or window is None:
        return None
    return Change(by, window, baseline, per_minute, steady, shared)


def _signed(parts: dict[str, list[Json]], url: str, unit: str | None, part: Part) -> Decimal | None:
    given = first(parts, url, "valueQuantity", dict, part)
    if given is None:
        return None
    wanted = f"{unit}/min" if url == "rate" and unit is not None else unit
    value, _ = quantity(given, url, wanted, part)
    if value is not None and not value:
        part.wrong(url, f"a {url} of zero is no change")
    return value


def _companion(parts: dict[str, list[Json]], url: str, part: Part) -> Companion | None:
    if url not in parts:
        return None
    inner: dict[str, Json] = {}
    for nested in parts[url][0].get("extension", ()):
        if nested.get("url") not in _COMPANION or nested["url"] in inner:
            part.wrong(url, f"{url} has parameter, within and effect, each once")
            return None
        inner[nested["url"]] = nested
    codings = inner.get("parameter", {}).get("valueCodeableConcept", {}).get("coding", ())
    known = next((BY_CODE[one["code"]] for one in codings if one.get("code") in BY_CODE), None)
    if known is None:
        part.wrong(f"{url}.parameter", "the code of a known parameter is needed", "required")
        return None
    within, _ = quantity(
        inner.get("within", {}).get("valueQuantity"), f"{url}.within", known.unit, part
    )
    effect = inner.get("effect", {}).get("valueDecimal", _NOTHING)
    if within is None or within < 0 or isinstance(effect, bool | str):
        part.wrong(url, "within is a quantity of at least zero, effect a decimal")
        return None
    return Companion(known.name, known.codes, within, Decimal(effect))
