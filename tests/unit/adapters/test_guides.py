"""What devices measured keeps to the guides its readers know: US Core and PHD for vital signs, PoCD for machines."""

from itertools import chain, combinations
from typing import Any

import pytest

from adapters import observation as observations
from adapters.metrics import METRICS
from fhirserver.kernel.resource import Json
from tests.unit.adapters.guides import laboratory_faults, machine_faults, vital_sign_faults
from tests.unit.adapters.hl7v2.maps.mapped_by_site import PID, mapped

AT = "2026-08-01T09:30:05.125Z"
PRESSURES = observations.BLOOD_PRESSURE_CODES
VITALS = [c for c, m in METRICS.items() if m.loinc is not None and c not in PRESSURES]
MACHINE = [c for c, m in METRICS.items() if m.loinc is None]
SOME = list(chain.from_iterable(combinations(PRESSURES, n) for n in range(1, 4)))


def made(code: str, *, simulated: bool = False, reason: str | None = None) -> Json:
    metric = METRICS[code]
    if reason is None:
        one = observations.measure(metric, "m", "ann", simulated=simulated)
    else:
        one = observations.absent(metric, "m", "ann", reason, simulated=simulated)
    one["effectiveDateTime"] = AT
    one["interpretation"] = observations.statuses(("questionable",))
    return one


@pytest.mark.parametrize("simulated", [False, True])
@pytest.mark.parametrize("reason", [None, "error"])
@pytest.mark.parametrize("code", VITALS)
def test_vital_signs(code: str, reason: str | None, *, simulated: bool) -> None:
    assert list(vital_sign_faults(made(code, simulated=simulated, reason=reason))) == []


@pytest.mark.parametrize("present", SOME)
def test_blood_pressure_whatever_was_measured_of_it(present: Any) -> None:
    one = observations.blood_pressure(present, "m", "ann", simulated=False)
    assert list(vital_sign_faults({**one, "effectiveDateTime": AT})) == []


@pytest.mark.parametrize("reason", [None, "not-performed"])
@pytest.mark.parametrize("code", MACHINE)
def test_measures_of_machines(code: str, reason: str | None) -> None:
    assert list(machine_faults(made(code, reason=reason))) == []


def test_laboratory_results() -> None:
    found = mapped(
        "ORU^R01",
        PID,
        "OBR|1|4711^LAB||2823-3^Potassium^LN|||20260801080000+0000",
        "OBX|1|NM|2823-3^Potassium^LN||4.1|mmol/L|3.5-5.1|N|||F",
        "OBX|2|ST|600-7^Bacteria^LN||none grown||||||F",
        "OBX|3|NM|2951-2^Sodium^LN||||||||X",
    )
    results = [one.content for one in found.resources if one.type == "Observation"]
    assert len(results) == 3
    for one in results:
        assert list(laboratory_faults(one)) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"category": []},
        {"subject": {}},
        {"effectiveDateTime": "2026-08-01"},
        {"valueQuantity": {"value": 1}},
        {"valueQuantity": {"value": 1, "unit": "F", "system": "http://x", "code": "F"}},
        {"code": {"coding": [{"system": "http://loinc.org", "code": "8310-5"}]}},
        {"extension": []},
        {"device": {}},
        {"dataAbsentReason": {}},
    ],
)
def test_every_fault_is_seen(wrong: Json) -> None:
    assert list(vital_sign_faults(made("150364"))) == []
    assert list(vital_sign_faults({**made("150364"), **wrong}))
