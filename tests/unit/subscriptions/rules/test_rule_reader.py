"""Rules out of FHIR: what is read, and what is refused where."""

from copy import deepcopy
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from fhirserver.kernel.canonical import MDC, MONITORING_RULE
from subscriptions.core.rule_parts import moment
from subscriptions.core.rule_reader import (
    holds,
    is_default_set,
    is_monitoring_order,
    read_defaults,
    read_order,
)
from subscriptions.evaluation.rule_book import shipped_plan


def order(**parts: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "id": {"valueId": "own"},
        "parameter": {"valueCodeableConcept": {"coding": [{"system": MDC, "code": "150021"}]}},
        "limit": {"valueRange": {"low": {"value": 100, "code": "mm[Hg]"}}},
    }
    given.update(parts)
    nested = [{"url": url, **value} for url, value in given.items() if value is not None]
    return {
        "resourceType": "ServiceRequest",
        "id": "x",
        "status": "active",
        "intent": "order",
        "requester": {"reference": "Practitioner/dr"},
        "extension": [{"url": MONITORING_RULE, "extension": nested}],
    }


def problems(resource: dict[str, Any]) -> list[tuple[str, str]]:
    return [(one.expression, one.code) for one in read_order(resource, 1).problems]


def test_a_rule_is_read_with_its_source_and_version() -> None:
    given = order(
        priority={"valueCode": "PH"},
        hysteresis={"valueQuantity": {"value": Decimal("2.50"), "code": "mm[Hg]"}},
    )
    given["extension"][0]["extension"].append(
        {"url": "sustained-for", "valueDuration": {"value": 2, "code": "min"}}
    )
    (rule,) = read_order(given, 3).rules
    assert (rule.source, rule.version) == ("ServiceRequest/x", "ServiceRequest/x/_history/3")
    assert (rule.parameter, rule.low, rule.high) == ("systolic", Decimal(100), None)
    assert (rule.priority, rule.sustained, rule.hysteresis) == ("PH", 120.0, Decimal("2.50"))
    assert rule.reread, "blood pressure is confirmed by a second reading unless the rule says no"


def test_a_rule_on_one_code_watches_all_codes_of_its_parameter() -> None:
    (rule,) = read_order(order(), 1).rules
    assert rule.codes == ("150021", "8480-6")


def test_the_orders_period_and_the_rules_own_are_intersected() -> None:
    given = order(period={"valuePeriod": {"start": "2026-01-10", "end": "2026-03"}})
    given["occurrencePeriod"] = {"start": "2026-02-01T00:00:00+01:00"}
    (rule,) = read_order(given, 1).rules
    assert rule.starts == datetime(2026, 1, 31, 23, tzinfo=UTC)
    assert rule.ends == datetime(2026, 4, 1, tzinfo=UTC)


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"parameter": None}, "ServiceRequest.extension[0]", "required"),
    ({"id": None}, "ServiceRequest.extension[0]", "required"),
    ({"limit": None}, "ServiceRequest.extension[0]", "required"),
    (
        {"limit": {"valueRange": {"low": {"value": 100}}}},
        "ServiceRequest.extension[0].limit.low",
        "required",
    ),
    (
        {"limit": {"valueRange": {"low": {"value": 100, "code": "kPa"}}}},
        "ServiceRequest.extension[0].limit.low",
        "invalid",
    ),
    (
        {"limit": {"valueRange": {"low": {"code": "mm[Hg]"}}}},
        "ServiceRequest.extension[0].limit.low",
        "required",
    ),
    (
        {
            "limit": {
                "valueRange": {
                    "low": {"value": 120, "code": "mm[Hg]"},
                    "high": {"value": 110, "code": "mm[Hg]"},
                }
            }
        },
        "ServiceRequest.extension[0].limit",
        "invalid",
    ),
    ({"priority": {"valueCode": "PX"}}, "ServiceRequest.extension[0].priority", "code-invalid"),
    ({"mode": {"valueCode": "ON"}}, "ServiceRequest.extension[0].mode", "code-invalid"),
    ({"family": {"valueCode": "noise"}}, "ServiceRequest.extension[0].family", "code-invalid"),
    (
        {"sustained-for": {"valueDuration": {"value": 1, "code": "wk"}}},
        "ServiceRequest.extension[0].sustained-for",
        "invalid",
    ),
    (
        {"delta": {"valueQuantity": {"value": 15, "code": "mm[Hg]"}}},
        "ServiceRequest.extension[0]",
        "required",
    ),
    (
        {"window": {"valueDuration": {"value": 15, "code": "s"}}},
        "ServiceRequest.extension[0].window",
        "invalid",
    ),
    (
        {"alert": {"valueCode": "suspected-needle-dislodgement"}},
        "ServiceRequest.extension[0].alert",
        "invalid",
    ),
    ({"loudness": {"valueCode": "x"}}, "ServiceRequest.extension[0].extension[3].url", "invalid"),
    (
        {"period": {"valuePeriod": {"start": "soon"}}},
        "ServiceRequest.extension[0].period.start",
        "invalid",
    ),
]


@pytest.mark.parametrize(("parts", "expression", "code"), WRONG)
def test_what_cannot_be_read_is_refused_where_it_stands(
    parts: dict[str, Any], expression: str, code: str
) -> None:
    assert problems(order(**parts)) == [(expression, code)]
    assert read_order(order(**parts), 1).rules == ()


def test_two_rules_of_one_id_are_a_problem() -> None:
    twice = order()
    twice["extension"] *= 2
    assert problems(twice) == [("ServiceRequest", "duplicate")]


def test_an_order_holds_only_when_active_ordered_and_signed_by_a_practitioner() -> None:
    assert holds(order())
    assert not holds({**order(), "status": "revoked"})
    assert not holds({**order(), "intent": "proposal"})
    assert not holds({**order(), "requester": {"reference": "RelatedPerson/bob"}})
    assert is_monitoring_order(order())
    assert not is_monitoring_order({"resourceType": "ServiceRequest"})


def test_the_shipped_defaults_are_readable_and_every_limit_names_its_source() -> None:
    plan = shipped_plan()
    read = read_defaults(plan)
    assert is_default_set(plan)
    assert read.problems == ()
    assert len(read.rules) == len(plan["action"])
    assert all(action["description"] for action in plan["action"])
    assert {rule.version for rule in read.rules} == {f"{plan['url']}|{plan['version']}"}


def test_a_default_set_needs_a_version() -> None:
    plan = deepcopy(shipped_plan())
    del plan["version"]
    assert [one.expression for one in read_defaults(plan).problems] == ["PlanDefinition.version"]


@pytest.mark.parametrize(
    ("text", "whole", "expected"),
    [
        ("2026", False, datetime(2026, 1, 1, tzinfo=UTC)),
        ("2026", True, datetime(2027, 1, 1, tzinfo=UTC)),
        ("2026-12", True, datetime(2027, 1, 1, tzinfo=UTC)),
        ("2026-02-28", True, datetime(2026, 3, 1, tzinfo=UTC)),
        ("2026-08-01T10:00:00.5+02:00", True, datetime(2026, 8, 1, 8, 0, 0, 500000, tzinfo=UTC)),
        ("2026-13", False, None),
        (7, False, None),
    ],
)
def test_fhir_times(text: object, whole: bool, expected: datetime | None) -> None:
    assert moment(text, whole=whole) == expected


def change(**parts: Any) -> dict[str, Any]:
    """Return an order with a rule on a fall of the systolic pressure."""
    given: dict[str, Any] = {
        "limit": None,
        "delta": {"valueQuantity": {"value": -30, "code": "mm[Hg]"}},
        "window": {"valueDuration": {"value": 1, "code": "h"}},
    }
    given.update(parts)
    return order(**given)


def test_a_change_is_read_with_its_window_baseline_and_companions() -> None:
    (rule,) = [one for one in read_defaults(shipped_plan()).rules if one.change is not None]
    found = rule.change
    assert found is not None
    assert found.steady is not None
    assert found.shared is not None
    assert (rule.alert, rule.priority, rule.modes) == (
        "suspected-needle-dislodgement",
        "PH",
        ("TX",),
    )
    assert (found.by, found.window, found.baseline, found.side) == (
        Decimal("-12.5"),
        15.0,
        300.0,
        "low",
    )
    assert (found.steady.parameter, found.steady.within) == ("blood-flow", Decimal(60))
    assert found.steady.effect == Decimal("0.35")
    assert (found.shared.parameter, found.shared.within) == ("arterial-pressure", Decimal("1.5"))
    (own,) = read_order(change(), 1).rules
    assert own.change is not None
    assert own.change.window == 3600.0


def test_a_rate_is_a_change_a_minute() -> None:
    rate = {"valueQuantity": {"value": -2, "code": "mm[Hg]/min"}}
    (rule,) = read_order(change(delta=None, rate=rate), 1).rules
    assert rule.change is not None
    assert rule.change.per_minute
    wrong = {"valueQuantity": {"value": -2, "code": "mm[Hg]"}}
    assert problems(change(delta=None, rate=wrong)) == [
        ("ServiceRequest.extension[0].rate", "invalid")
    ]


MINUTE = {"valueDuration": {"value": 1, "code": "min"}}
BAD_CHANGES: list[tuple[dict[str, Any], str]] = [
    ({"rate": {"valueQuantity": {"value": 1, "code": "mm[Hg]/min"}}}, ""),
    ({"delta": {"valueQuantity": {"value": 0, "code": "mm[Hg]"}}}, ".delta"),
    ({"window": {"valueDuration": {"value": 2, "code": "s"}}}, ".window"),
    ({"window": {"valueDuration": {"value": 200, "code": "h"}}}, ".window"),
    ({"baseline-window": MINUTE}, ".baseline-window"),
    ({"baseline-window": {"valueDuration": {"value": 41, "code": "h"}}}, ".baseline-window"),
    ({"steady": {"extension": [{"url": "loudness"}]}}, ".steady"),
    ({"steady": {"extension": []}}, ".steady.parameter"),
    ({"alert": {"valueCode": "noise"}}, ".alert"),
]


@pytest.mark.parametrize(("parts", "where"), BAD_CHANGES)
def test_a_change_that_cannot_be_judged_is_refused(parts: dict[str, Any], where: str) -> None:
    found = problems(change(**parts))
    assert found
    assert found[0][0] == f"ServiceRequest.extension[0]{where}"


def test_an_interval_alone_is_a_rule() -> None:
    (rule,) = read_order(
        order(limit=None, interval={"valueDuration": {"value": 15, "code": "min"}}), 1
    ).rules
    assert (rule.interval, rule.low, rule.high) == (900.0, None, None)
