"""What can be watched: one name for each measured quantity, whatever code it comes with.

A machine speaks MDC (ISO/IEEE 11073-10101), an EHR LOINC; a rule on one of them watches all of
them. Units are UCUM (https://ucum.org). A code that is not in this table can be watched too: its
name is then the code itself.
"""

from dataclasses import dataclass
from typing import Final

from subscriptions.core.alert import Family

# The blood flow, beside which pressures of the circuit are judged.
BLOOD_FLOW: Final = "158740"

# Spellings of the same unit met in the field, all read as the UCUM code on the right.
UNIT_SPELLINGS: Final[dict[str, str]] = {
    "mmHg": "mm[Hg]",
    "mm Hg": "mm[Hg]",
    "bpm": "/min",
    "beats/min": "/min",
    "{beats}/min": "/min",
    "{Beats}/min": "/min",
    "{breaths}/min": "/min",
    "ml/min": "mL/min",
    "ml/h": "mL/h",
    "mL/hr": "mL/h",
    "ml/hr": "mL/h",
    "°C": "Cel",
}


@dataclass(frozen=True, slots=True)
class Parameter:
    """One quantity.

    `in_circuit` True: outside the body, so preparation and rinse-back silence it.
    """

    name: str
    display: str
    codes: tuple[str, ...]
    unit: str
    low: Family
    high: Family
    in_circuit: bool = False
    reread: bool = False


PARAMETERS: Final = (
    Parameter(
        "systolic",
        "systolic blood pressure",
        ("150021", "8480-6"),
        "mm[Hg]",
        "hypotension",
        "hypertension",
        reread=True,
    ),
    Parameter(
        "diastolic",
        "diastolic blood pressure",
        ("150022", "8462-4"),
        "mm[Hg]",
        "hypotension",
        "hypertension",
        reread=True,
    ),
    Parameter(
        "mean",
        "mean blood pressure",
        ("150023", "8478-0"),
        "mm[Hg]",
        "hypotension",
        "hypertension",
        reread=True,
    ),
    Parameter(
        "heart-rate",
        "heart rate",
        ("149546", "149530", "147842", "8867-4"),
        "/min",
        "other",
        "other",
    ),
    Parameter(
        "oxygen-saturation",
        "oxygen saturation",
        ("150456", "2708-6", "59408-5"),
        "%",
        "other",
        "other",
    ),
    Parameter("temperature", "body temperature", ("150364", "8310-5"), "Cel", "other", "other"),
    Parameter(
        "respiratory-rate", "respiratory rate", ("151562", "9279-1"), "/min", "other", "other"
    ),
    Parameter("weight", "body weight", ("188736", "29463-7"), "kg", "fluid", "fluid"),
    Parameter(
        "venous-pressure",
        "venous pressure",
        ("158776",),
        "mm[Hg]",
        "pressure",
        "pressure",
        in_circuit=True,
    ),
    Parameter(
        "arterial-pressure",
        "arterial line pressure",
        ("158744",),
        "mm[Hg]",
        "pressure",
        "pressure",
        in_circuit=True,
    ),
    Parameter(
        "transmembrane-pressure",
        "transmembrane pressure",
        ("158852",),
        "mm[Hg]",
        "pressure",
        "pressure",
        in_circuit=True,
    ),
    Parameter("blood-flow", "blood flow", (BLOOD_FLOW,), "mL/min", "other", "other"),
    Parameter(
        "ultrafiltration-rate", "ultrafiltration rate", ("159036",), "mL/h", "fluid", "fluid"
    ),
    Parameter(
        "dialysate-temperature", "dialysate temperature", ("158796",), "Cel", "fluid", "fluid"
    ),
    Parameter("conductivity", "dialysate conductivity", ("158788",), "mS/cm", "fluid", "fluid"),
)

BY_CODE: Final[dict[str, Parameter]] = {
    code: parameter for parameter in PARAMETERS for code in parameter.codes
}


def ucum(unit: str) -> str:
    """Return the UCUM code for `unit`, unchanged when it is none of the known spellings."""
    return UNIT_SPELLINGS.get(unit, unit)
