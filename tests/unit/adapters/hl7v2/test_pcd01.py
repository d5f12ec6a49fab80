"""PCD-01: what a machine measured, whatever its message looks like around it."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from adapters.containment import Window
from adapters.hl7v2 import sites
from adapters.hl7v2.device.birth import described
from adapters.hl7v2.device.numbers import window_of
from adapters.hl7v2.device.reported import BOOT, DeviceReport, PatientId
from adapters.hl7v2.report import RefusedPart
from adapters.metrics import METRICS
from adapters.mqtt.messages import Sample, Telemetry
from fhirserver.wire.hl7v2.acknowledgement import Place
from tests.unit.adapters.hl7v2.machine_messages import (
    EUI,
    MACHINE,
    MMHG,
    PATIENT,
    THERAPY,
    header,
    message,
    mode,
    obx,
    read_machine,
    venous,
)

SENT = datetime(2026, 8, 1, 9, 30, 6, tzinfo=UTC)


def of_machine(*lines: str, **options: object) -> DeviceReport:
    found = read_machine(lines, **options)  # type: ignore[arg-type]  # passed on
    assert found.refusal is None
    (report,) = found.devices
    return report


def telemetry(*lines: str, **options: object) -> Telemetry:
    (found,) = of_machine(*lines, **options).telemetry
    return found


def test_a_snapshot_is_the_telemetry_of_its_machine() -> None:
    flow = obx(
        "158740^MDC_HDIALY_BLD_PUMP_BLOOD_FLOW_RATE^MDC", "398.50", unit="mL/min^mL/min^UCUM"
    )
    found = of_machine(mode(), venous(limits="122-262"), flow)
    assert found.address == EUI
    assert (found.model, found.serial) == ("SIM100", "00042")
    assert found.patients == (PatientId("MRN-7", "CLINIC", "MR"),)
    (told,) = found.telemetry
    assert (told.boot, told.seq, told.dev_time, told.mono_ms) == (BOOT, None, SENT, None)
    assert (told.mode, told.session, told.test, told.believed) == ("TX", THERAPY, False, False)
    assert told.samples == (Sample(-1000, {"158776": Decimal(162), "158740": Decimal("398.50")}),)
    assert str(told.samples[0].values["158740"]) == "398.50"
    assert found.told["158776"].limits == Window(Decimal(122), Decimal(262))
    assert found.told["158740"].limits is None


def test_every_measure_we_know_is_read_by_code_and_by_reference_id() -> None:
    for metric in METRICS.values():
        for written in (
            f"{metric.code}^x^MDC",
            f"0^{metric.refid}^MDC",
            f"^{metric.refid}",
            f"{metric.refid}^^MDC",
        ):
            values = telemetry(obx(written, "1", unit=f"{metric.unit}^^UCUM")).samples[0].values
            assert values == {metric.code: Decimal(1)}, written


def test_set_ids_and_sub_ids_decide_nothing() -> None:
    one = obx("158776^a^MDC", "1", number=9, sub="9.9.9.9")
    other = obx("158744^b^MDC", "2", number=9, sub="9.9.9.9")
    assert telemetry(one, other).samples[0].values == {"158776": 1, "158744": 2}


def test_moments_are_kept_apart_and_aged_against_the_message() -> None:
    found = of_machine(
        venous("1", at="20260801092956+0000"), venous("2", at="20260801093006+0000"), venous("3")
    )
    assert [one.samples[0] for one in found.telemetry] == [
        Sample(-10_000, {"158776": Decimal(1)}),
        Sample(-1000, {"158776": Decimal(3)}),
        Sample(0, {"158776": Decimal(2)}),
    ]


def test_times_without_an_offset_are_of_the_senders_zone() -> None:
    known = sites.load(
        [
            (
                "s",
                b"senders: [{name: e, zone: Asia/Kathmandu, clock: synchronized, match: {MSH-3: SIM_HD}}]",
            )
        ]
    )
    found = telemetry(venous(), head=header(sent="20260801151506"), known=known)
    assert (found.dev_time, found.samples[0].offset_ms, found.believed) == (SENT, -1000, True)


def test_what_comes_in_a_batch_is_of_its_own_time() -> None:
    assert telemetry(venous(), historic=True).believed


@pytest.mark.parametrize(
    "unit",
    [
        "mm[Hg]^mm[Hg]^UCUM", "mmHg", "ml[Hg]", "266016^MDC_DIM_MMHG^MDC", "MDC_DIM_MMHG", "XX^^L^mm[Hg]^^UCUM", "mm Hg", "",
    ],
)  # fmt: skip
def test_units_are_ucum_however_they_are_written(unit: str) -> None:
    assert telemetry(venous(unit=unit)).samples[0].values == {"158776": Decimal(162)}


@pytest.mark.parametrize(
    ("line", "reason", "code"),
    [
        (venous(unit="kPa"), "wrong-unit", "158776"),
        (venous("high"), "not-a-number", "158776"),
        (venous("1,5"), "not-a-number", "158776"),
        (venous("NaN"), "not-a-number", "158776"),
        (venous("1e5"), "not-a-number", "158776"),
        (venous(""), "null-value", "158776"),
        (venous('""'), "null-value", "158776"),
        (obx("158776^^MDC", ">^200", kind="SN", unit=MMHG), "not-a-number", "158776"),
        (obx("158824^MDC_HDIALY_DIALYSATE_CA^MDC", "1.2"), "unknown-metric", "158824 MDC_HDIALY_DIALYSATE_CA"),
    ],
)  # fmt: skip
def test_a_measure_that_cannot_be_taken_is_told_and_the_others_are_taken(
    line: str, reason: str, code: str
) -> None:
    found = read_machine([line, obx("158744^^MDC", "-110", unit=MMHG)])
    assert list(found.report.refused) == [RefusedPart(reason, code)]
    (told,) = found.devices[0].telemetry
    assert told.samples[0].values == {"158744": Decimal(-110)}


def test_a_structured_number_is_one() -> None:
    assert telemetry(obx("158776^^MDC", "=^162", kind="SN")).samples[0].values == {
        "158776": Decimal(162)
    }
    assert telemetry(obx("158776^^MDC", "^162.0", kind="SN")).samples[0].values == {
        "158776": Decimal("162.0")
    }


@pytest.mark.parametrize(
    ("status", "result", "reason"),
    [
        ("INV", "F", "error"),
        ("NAV", "F", "not-performed"),
        ("", "X", "error"),
        ("UNK", "R", "unknown"),
    ],
)
def test_a_value_the_device_disowns_is_absent_with_its_reason(
    status: str, result: str, reason: str
) -> None:
    found = telemetry(venous("0", status=status, result=result))
    assert (found.samples[0].values, found.quality) == ({"158776": None}, {"158776": reason})


def test_doubt_and_alarm_are_kept_beside_the_value() -> None:
    found = telemetry(venous(status="QUES~ALACT~L"))
    assert found.samples[0].values == {"158776": Decimal(162)}
    assert found.flags == {"158776": ("in-alarm", "questionable")}


def test_a_status_nobody_knows_is_told_and_changes_nothing() -> None:
    found = read_machine([venous(status="ODD")])
    assert "OBX-8 ODD" in found.report.unread
    assert found.devices[0].telemetry[0].samples[0].values == {"158776": Decimal(162)}


@pytest.mark.parametrize("result", ["C", "D", "W"])
def test_a_correction_is_no_reading_and_is_refused(result: str) -> None:
    other = obx("158744^^MDC", "12", unit=MMHG)
    found = read_machine([venous(result=result), other])
    assert found.refusal is None
    assert found.devices[0].telemetry[0].samples == (Sample(-1000, {"158744": Decimal(12)}),)
    assert [*found.report.refused] == [RefusedPart("correction", "158776")]


def test_a_message_of_corrections_alone_is_an_error() -> None:
    found = read_machine([mode(), venous(result="W")])
    assert found.refusal is not None
    assert (found.refusal.verdict, found.refusal.reason) == ("error", "correction")
    (fault,) = found.refusal.faults
    assert (fault.code, str(fault.place)) == ("103", str(Place("OBX", 1, 11)))
    assert read_machine([mode()]).refusal is None


@pytest.mark.parametrize(
    ("head", "line"), [(header(processing="T"), venous()), (None, venous(status="TEST")), (header(processing="D"), venous())]
)  # fmt: skip
def test_tests_are_marked(head: str | None, line: str) -> None:
    assert telemetry(line, head=head).test


def test_the_first_of_two_values_of_a_moment_stands() -> None:
    found = read_machine([venous("1"), venous("2")])
    assert found.devices[0].telemetry[0].samples[0].values == {"158776": Decimal(1)}
    assert "158776 once more" in found.report.unread


def test_true_and_false_events_alarm_nobody_and_are_no_riddle() -> None:
    found = read_machine(
        [obx("198260^MDC_EVT_HDIALY_SAFETY_VEN_ACCESS^MDC", "T", kind="ST"), mode()]
    )
    assert (found.devices[0].events, dict(found.report.unread)) == ((), {})


def test_segments_nobody_reads_are_told() -> None:
    found = read_machine([venous(), "NTE|1||hello", "ZHD|1|x"])
    assert list(found.report.unread) == ["NTE", "ZHD"]


@pytest.mark.parametrize(
    ("application", "obr", "line"),
    [
        (f"ENGINE^{EUI}^EUI-64", "OBR|1||t1|70929^^MDC", mode()),
        ("ENGINE", f"OBR|1||t1^M^{EUI}^EUI-64|70929^^MDC", mode()),
        ("ENGINE", f"OBR|1||t1^{EUI}^EUI64|70929^^MDC", mode()),
        ("ENGINE", "OBR|1||t1^^0A-1B-2C-FF-FE-3D-4E-5F^EUI-64|70929^^MDC", mode()),
        ("ENGINE^FFFFFFFFFFFFFFFF^EUI-64", "OBR|1||t1|70929^^MDC",
         f"OBX|1||70929^^MDC|1|||||||X|||||||{EUI.lower()}^^{EUI}^EUI-64"),
        ("ENGINE^FFFFFFFFFFFFFFFF^EUI-64", f"OBR|1||t1^M^{EUI}^EUI-64|70929^^MDC", mode()),
    ],
)  # fmt: skip
def test_the_machine_is_known_wherever_it_is_named(application: str, obr: str, line: str) -> None:
    found = read_machine([line], head=header(application=application), obr=obr)
    assert [one.address for one in found.devices] == [EUI]


def test_a_site_may_name_a_machine_that_names_itself_by_model_and_serial() -> None:
    known = sites.load([("s", b"senders: [{name: e, devices: {SIM100/00042: 0A1B2CFFFE3D4E5F}}]")])
    found = read_machine([mode()], head=header(application="E"), obr="OBR|1||t|70929", known=known)
    assert [one.address for one in found.devices] == [EUI]


def test_a_message_of_no_machine_is_refused() -> None:
    found = read_machine([mode()], head=header(application="E"), obr="OBR|1||t|70929^^MDC")
    assert found.refusal is not None
    assert (found.refusal.verdict, found.refusal.reason) == ("error", "unknown-device")


def test_several_machines_in_a_message_are_several() -> None:
    second = MACHINE.replace(EUI, "0A1B2CFFFE000002")
    found = read_machine([venous("1"), second, venous("2")])
    assert [(one.address, one.telemetry[0].samples[0].values["158776"]) for one in found.devices] == [
        (EUI, 1), ("0A1B2CFFFE000002", 2),
    ]  # fmt: skip


def test_a_site_says_what_its_own_codes_and_units_mean() -> None:
    known = sites.load([("s", b"codes: {VP: '158776'}\nunits: {torr: 'mm[Hg]'}")], unknown="accept")
    assert telemetry(obx("VP^Venous", "5", unit="torr"), known=known).samples[0].values == {
        "158776": Decimal(5)
    }


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("122-262", 122, 262), ("-250--20", -250, -20), ("-20 - 20", -20, 20), ("1.50-2.5", "1.50", "2.5"),
        (">30", 30, None), (">= 30", 30, None), ("<400", None, 400), ("< -20", None, -20), ("30 to 40", 30, 40),
    ],
)  # fmt: skip
def test_alarm_limits(text: str, low: object, high: object) -> None:
    def ends(one: object) -> Decimal | None:
        return None if one is None else Decimal(str(one))

    assert window_of(text) == Window(ends(low), ends(high))


@pytest.mark.parametrize(
    "text", [None, "", "normal", "262-122", "5-5", "-", "1-2-3", "9" * 30 + "-" + "9" * 31]
)
def test_what_is_no_limit_is_none(text: str | None) -> None:
    assert window_of(text) is None


def test_what_is_known_of_a_machine_grows_and_is_told_only_when_it_changes() -> None:
    first = of_machine(
        venous(limits="122-262"), obx("158744^^MDC", "-110", unit=MMHG, limits="-250--20")
    )
    known = described({}, first)
    assert known is not None
    assert known["metrics"]["158776"] == {
        "unit": "mm[Hg]", "limits": {"low": Decimal(122), "high": Decimal(262)}
    }  # fmt: skip
    assert (known["model"], known["serial"], known["interval_s"]) == ("SIM100", "00042", 30)
    assert described(known, first) is None
    assert described(known, of_machine(mode())) is None
    without = described(known, of_machine(venous()))
    assert without is not None
    assert without["metrics"]["158776"] == {"unit": "mm[Hg]"}
    assert without["metrics"]["158744"] == known["metrics"]["158744"]


def test_a_message_without_measures_is_a_sign_of_life() -> None:
    found = telemetry(mode("PRETX"))
    assert (found.mode, found.samples) == ("PRETX", (Sample(-1000, {}),))


def test_codes_of_11073_are_enough_to_know_a_device() -> None:
    text = message(header(), PATIENT, f"OBR|1||t^M^{EUI}^EUI-64|X", venous())
    assert EUI in text
    assert read_machine([venous()], obr=f"OBR|1||t^M^{EUI}^EUI-64|X").devices
