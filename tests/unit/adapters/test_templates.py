"""Templates: what a measure is stored by, what of it all devices share, and what each has of its own."""

from adapters.metrics import METRICS
from adapters.observation import metric_id
from adapters.templates import TemplateKey, absence, form_of, references_of
from fhirserver.kernel.resource import Json
from fhirserver.kernel.telemetry import treatment_id
from fhirserver.wire import fhir_json

VENOUS, ARTERIAL, SYSTOLIC, DIASTOLIC = (
    METRICS[code] for code in ("158776", "158772", "150021", "150022")
)


def key(
    therapy: str | None = "t-1", *, patient: str | None = "ann", device: str = "m1"
) -> TemplateKey:
    return (device, patient, (VENOUS,), None, False, therapy, ())


def filled(key: TemplateKey) -> Json:
    """The Observation with what the device has of its own in the place of the marks."""
    form = form_of(key)
    text = fhir_json.write(form.resource).decode()
    for mark, reference in zip(form.marks, references_of(key), strict=True):
        assert f'"{mark}"' in text
        text = text.replace(mark, reference)
    return fhir_json.read(text.encode())


def test_what_is_measured_in_a_treatment_is_part_of_its_procedure() -> None:
    procedure = treatment_id("m1", "ann", "t-1")
    assert filled(key())["partOf"] == [{"reference": f"Procedure/{procedure}"}]
    assert "partOf" not in filled(key(None))
    assert "partOf" not in filled(key(patient=None))


def test_it_says_who_measured_whom() -> None:
    found = filled(key())
    assert found["subject"] == {"reference": "Patient/ann"}
    assert found["device"] == {"reference": f"DeviceMetric/{metric_id('m1', '158776')}"}
    assert "subject" not in filled(key(patient=None))
    long = "d" * 64
    assert filled(key(device=long))["device"]["reference"].endswith(f"/{'d' * 48}.158776")
    pressure = filled(("cuff", "ann", (SYSTOLIC, DIASTOLIC), None, False, None, ()))
    assert pressure["device"] == {"reference": "Device/cuff"}


def test_all_devices_share_a_form_and_no_two_meanings_do() -> None:
    form = form_of(key())
    assert form is form_of(key("t-2", patient="joe", device="m2"))
    others: list[TemplateKey] = [
        key(None),
        key(patient=None),
        ("m1", "ann", (ARTERIAL,), None, False, "t-1", ()),
        ("m1", "ann", (VENOUS,), "error", False, "t-1", ()),
        ("m1", "ann", (VENOUS,), None, True, "t-1", ()),
        ("m1", "ann", (VENOUS,), None, False, "t-1", ("in-alarm",)),
        ("m1", "ann", (SYSTOLIC, DIASTOLIC), None, False, "t-1", ()),
        ("m1", "ann", (SYSTOLIC,), None, False, "t-1", ()),
    ]
    assert len({id(form), *(id(form_of(one)) for one in others)}) == 1 + len(others)
    assert [form_of(one).values for one in others] == [1, 1, 1, 0, 1, 1, 2, 1]


def test_why_there_is_no_value_and_what_is_doubtful_about_one() -> None:
    doubtful: TemplateKey = (
        "m1",
        "ann",
        (VENOUS,),
        None,
        False,
        None,
        ("in-alarm", "questionable"),
    )
    found = filled(doubtful)["interpretation"]
    assert [one["coding"][0]["code"] for one in found] == ["in-alarm", "questionable"]
    lost: TemplateKey = ("m1", "ann", (VENOUS,), "error", False, None, ())
    assert filled(lost)["dataAbsentReason"]["coding"][0]["code"] == "error"
    assert "valueQuantity" not in filled(lost)
    assert [absence(one) for one in (None, "error", "sensor-off")] == [
        None,
        "error",
        "not-performed",
    ]
