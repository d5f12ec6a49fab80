"""Templates: what a measure is stored by, and when that is of no use any more."""

from adapters.metrics import METRICS
from adapters.templates import TemplateKey, TemplateNames, absence, template, template_name
from fhirserver.kernel.telemetry import EnrolledDevice, treatment_id

VENOUS, SYSTOLIC, DIASTOLIC = (METRICS[code] for code in ("158776", "150021", "150022"))
MACHINE = EnrolledDevice("0A1B", "m1", ())


def key(
    therapy: str | None = "t-1", *, patient: str | None = "ann", device: str = "m1"
) -> TemplateKey:
    return (1, device, patient, (VENOUS,), None, False, therapy, ())


def test_what_is_measured_in_a_treatment_is_part_of_its_procedure() -> None:
    procedure = treatment_id("m1", "ann", "t-1")
    assert template(MACHINE, key())["partOf"] == [{"reference": f"Procedure/{procedure}"}]
    assert "partOf" not in template(MACHINE, key(None))
    assert "partOf" not in template(MACHINE, key(patient=None))


def test_names_say_everything_a_template_depends_on() -> None:
    pressures: TemplateKey = (1, "m1", "ann", (SYSTOLIC, DIASTOLIC), None, False, "t-1", ())
    elsewhere: TemplateKey = (2, "m1", "ann", (VENOUS,), None, False, "t-1", ())
    keys = [key(), key("t-2"), key(None), key(patient="joe"), key(device="m2")]
    keys += [pressures, elsewhere]
    assert len({template_name(one) for one in keys}) == len(keys)


def test_those_of_a_treatment_that_is_over_are_let_go_once() -> None:
    names = TemplateNames()
    names.turn_to(1, "m1", "t-1")
    names.add(key(), "one")
    names.add(key(device="m2"), "other")
    names.turn_to(1, "m1", "t-1")
    assert names.outdated(1) == []
    names.turn_to(1, "m1", "t-2")
    assert names.find(key()) is None
    assert names.find(key(device="m2")) == "other"
    assert names.outdated(2) == []
    assert names.outdated(1) == ["one"]
    assert names.outdated(1) == []


def test_why_there_is_no_value_and_what_is_doubtful_about_one() -> None:
    doubtful: TemplateKey = (
        1,
        "m1",
        "ann",
        (VENOUS,),
        None,
        False,
        None,
        ("in-alarm", "questionable"),
    )
    found = template(MACHINE, doubtful)["interpretation"]
    assert [one["coding"][0]["code"] for one in found] == ["in-alarm", "questionable"]
    lost: TemplateKey = (1, "m1", "ann", (VENOUS,), "error", False, None, ())
    assert template(MACHINE, lost)["dataAbsentReason"]["coding"][0]["code"] == "error"
    assert "valueQuantity" not in template(MACHINE, lost)
    assert len({template_name(one) for one in (doubtful, lost, key(None))}) == 3
    assert [absence(one) for one in (None, "error", "sensor-off")] == [
        None,
        "error",
        "not-performed",
    ]
