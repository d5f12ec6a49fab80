"""Messages as machines and engines write them, put together line by line."""

from collections.abc import Sequence

from adapters.hl7v2 import sites
from adapters.hl7v2.routing import Interpreted, interpret
from fhirserver.wire.hl7v2.message import read

EUI = "0A1B2CFFFE3D4E5F"
THERAPY = f"{EUI}20260801090000"
MACHINE = f"OBR|1||{THERAPY}^SIM_HD^{EUI}^EUI-64|70929^MDC_DEV_HDIALY_MACHINE_MDS^MDC|||20260801093005+0000"
ALARM = f"OBR|1||{THERAPY}^SIM_HD^{EUI}^EUI-64|196616^MDC_EVT_ALARM^MDC|||20260801101502+0000"
PATIENT = "PID|||MRN-7^^^CLINIC^MR~SIM100/00042^^^^U||Doe^Ann"
VENOUS = "158776^MDC_HDIALY_BLD_PUMP_PRESS_VEN^MDC"
MMHG = "mm[Hg]^mm[Hg]^UCUM"
SITES = sites.load(unknown="accept")


def header(
    kind: str = "ORU^R01^ORU_R01",
    *,
    application: str = f"SIM_HD^{EUI}^EUI-64",
    processing: str = "P",
    sent: str = "20260801093006+0000",
    control_id: str = "m-181",
) -> str:
    return f"MSH|^~\\&|{application}||HDSRV||{sent}||{kind}|{control_id}|{processing}|2.6|||AL|NE"


def obx(  # a line has many fields
    code: str, value: str, *, kind: str = "NM", unit: str = "", limits: str = "", status: str = "", result: str = "F",
    at: str = "", sub: str = "1.1.3.15", number: int = 1,
) -> str:  # fmt: skip
    return f"OBX|{number}|{kind}|{code}|{sub}|{value}|{unit}|{limits}|{status}|||{result}|||{at}"


def mode(text: str = "TX") -> str:
    return obx("158594^MDC_HDIALY_MACH_MODE_OF_OPERATION^MDC", text, kind="ST")


def venous(
    value: str = "162",
    *,
    unit: str = MMHG,
    limits: str = "",
    status: str = "",
    result: str = "F",
    at: str = "",
) -> str:
    return obx(VENOUS, value, unit=unit, limits=limits, status=status, result=result, at=at)


def facets(
    *,
    event: str = "196670^MDC_EVT_LO^MDC",
    meant: str = VENOUS,
    priority: str = "PH~ST~L",
    phase: str | None = "start",
    state: str | None = "active",
    activity: str | None = "enabled",
) -> list[str]:
    """The five facets of an alarm; those that are None are left out."""
    lines = [obx(event, meant, kind="CWE", status=priority, sub="1.0.0.0.1")]
    lines.append(obx(VENOUS, "15", unit=MMHG, limits="122-262", sub="1.1.3.15.2"))
    for code, text in (
        ("68481^MDC_ATTR_EVENT_PHASE^MDC", phase),
        ("68482^MDC_ATTR_ALARM_STATE^MDC", state),
        ("68483^MDC_ATTR_ALARM_INACTIVATION_STATE^MDC", activity),
    ):
        if text is not None:
            lines.append(obx(code, text, kind="ST"))
    return lines


def message(*segments: str) -> str:
    return "".join(f"{one}\r" for one in segments)


def read_machine(
    lines: Sequence[str], *, head: str | None = None, obr: str = MACHINE, historic: bool = False, known: sites.Sites = SITES
) -> Interpreted:  # fmt: skip
    """Interpret a message of a machine with these lines."""
    kind = "ORU^R40^ORU_R40" if obr == ALARM else "ORU^R01^ORU_R01"
    text = message(head or header(kind), PATIENT, "PV1||U", obr, *lines)
    sender = known.sender_of(read(text).header, sites.Peer("10.1.2.3"))
    assert sender is not None
    return interpret(read(text), sender, known.plans, historic=historic)
