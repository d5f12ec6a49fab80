"""The tables of this part that name patients; see `fhirserver.store.patient_rows`."""

from collections.abc import Mapping
from typing import Final

from fhirserver.kernel.hanging import PatientRows

PATIENT_ROWS: Final[tuple[PatientRows, ...]] = (
    PatientRows("evaluation"),
    PatientRows("rule_set"),
    PatientRows("ladder"),
    PatientRows("timer"),
    PatientRows("contact"),
    PatientRows("event"),
    PatientRows("reply_code"),
    PatientRows("fridge_card"),
    PatientRows("treatment"),
    PatientRows("arming"),
    PatientRows("test_page"),
    PatientRows("treatment_plan"),
    PatientRows("device_watch", cleared=True),
    PatientRows("device_trouble", cleared=True),
)

KEPT_ROWS: Final[Mapping[str, str]] = {
    "alert": "that there was an alarm, when and what was done; why is destroyed",
    "attempt": "that somebody was called, when and whether they answered; the words are destroyed",
    "rule_signature": "a digest of what two people signed",
    "presence": "the id alone, gone half a minute after somebody looked",
}
