"""What somebody says about how the patient is, and what follows."""

from datetime import UTC, datetime
from typing import Any

import pytest

from fhirserver.validation import validate
from subscriptions.core.check_in import CheckIn, findings, observation

NOW = datetime(2026, 8, 1, 9, 0, tzinfo=UTC)


def said(what: CheckIn, **changes: Any) -> Any:
    made: dict[str, Any] = {
        "patient": "ann",
        "by": "Patient/ann",
        "note": None,
        "procedure": None,
        "simulated": False,
        "now": NOW,
    }
    return observation(what, **(made | changes))


@pytest.mark.parametrize("what", ["ok", "not-well"])
def test_it_is_an_observation(what: CheckIn) -> None:
    content = said(what, note="dizzy", procedure="p", simulated=True)
    assert validate(content) == []
    assert content["valueCodeableConcept"]["coding"][0]["code"] == what
    assert content["partOf"] == [{"reference": "Procedure/p"}]
    assert content["note"] == [{"text": "dizzy"}]
    assert content["meta"]["security"][0]["code"] == "HTEST"


def test_what_nobody_said_is_not_there() -> None:
    content = said("ok", by=None)
    assert not {"performer", "note", "partOf", "meta"} & content.keys()


def test_not_well_rings_anew_and_ok_ends_that_alone() -> None:
    def found(what: CheckIn) -> list[tuple[str, str, str]]:
        made = findings(what, patient="ann", evidence="Observation/o", simulated=False, now=NOW)
        return [(one.what, one.key, one.priority) for one in made]

    assert found("not-well") == [("ended", "not-well", "PM"), ("breached", "not-well", "PM")]
    assert found("ok") == [("ended", "not-well", "PM")]
