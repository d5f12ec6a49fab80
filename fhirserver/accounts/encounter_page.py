"""The page on which a person says which visit an app is opened for, once they chose the patient and let the app in.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#requesting-context-with-scopes
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from fhirserver.accounts.consent_page import Patient, patient_label
from fhirserver.accounts.desk import Desk, Visitor
from fhirserver.accounts.html import Html, button, choice, element, group, hidden, said, together
from fhirserver.accounts.texts import Language, words
from fhirserver.smart.people import EncounterAsked

# The value of the button that asks for more of them, and of the choice that is none of them.
EARLIER: Final = "earlier"
NONE: Final = ""
_DAY: Final = len("2026-11-22")
_MINUTE: Final = len("2026-11-22T05:30")


@dataclass(frozen=True, slots=True)
class Encounter:
    """A visit: when it began as it is written (FHIR dateTime), what it was, and how far it is (FHIR code)."""

    id: str
    when: str
    what: str
    status: str


def encounter_page(
    desk: Desk,
    request: Request,
    visitor: Visitor,
    asked: EncounterAsked,
    patient: Patient | None,
    encounters: Sequence[Encounter],
    earlier: str,
) -> Response:
    """Return the page; `earlier` is the mark behind which there are earlier ones, "" where there are none."""
    language = desk.language(request, visitor)
    name = asked.patient if patient is None else patient_label(language, patient)
    choices = [
        choice("radio", "encounter", one.id, _label(language, one), chosen=one is encounters[0])
        for one in encounters
    ]
    choices.append(
        choice(
            "radio", "encounter", NONE, words(language, "encounter-without"), chosen=not encounters
        )
    )
    form = element(
        "form",
        desk.proof(visitor.secret),
        hidden("request", asked.pending),
        hidden("patient", asked.patient),
        *(hidden("scope", one) for one in asked.scopes),
        Html() if encounters else said(words(language, "encounter-none")),
        group(words(language, "consent-encounter"), *choices),
        button(words(language, "continue"), name="decision", value="allow"),
        _more(language, earlier),
        button(words(language, "deny"), name="decision", value="deny", plain=True),
        method="post",
        action=asked.action,
    )
    return desk.page(
        request,
        visitor,
        "encounter-title",
        element("p", words(language, "encounter", client=asked.client_name)),
        element("p", words(language, "consent-given", patient=name)),
        form,
        leads_to=asked.redirect_uri,
    )


def _more(language: Language, earlier: str) -> Html:
    if not earlier:
        return Html()
    more = button(words(language, "encounter-earlier"), name="decision", value=EARLIER, plain=True)
    return together(hidden("after", earlier), more)


def _label(language: Language, one: Encounter) -> str:
    status = words(language, f"encounter-{one.status}") if one.status in _STATUSES else ""
    when = _moment(one.when) or words(language, "encounter-undated")
    return ", ".join(part for part in (when, one.what, status) if part)


def _moment(written: str) -> str:
    """Return the day and the minute of a dateTime as it is written, without its offset."""
    day, clock = written[:_DAY], written[_DAY + 1 : _MINUTE]
    return f"{day} {clock}" if clock else day


_STATUSES: Final = frozenset(
    ("planned", "arrived", "triaged", "in-progress", "onleave", "finished", "cancelled")
)
