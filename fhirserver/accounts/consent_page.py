"""The page on which a person says what an app may do: which of the scopes, and for whose record.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#obtain-authorization-code
"""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from starlette.requests import Request
from starlette.responses import Response

from fhirserver.accounts.account_page import role_text
from fhirserver.accounts.desk import Desk, Visitor
from fhirserver.accounts.html import Html, button, choice, element, field, group, hidden, said
from fhirserver.accounts.scope_words import meaning
from fhirserver.accounts.texts import Language, words
from fhirserver.smart.people import ConsentAsked

FIND = "find"


@dataclass(frozen=True, slots=True)
class Patient:
    """Somebody whose record an app may be opened on."""

    id: str
    name: str
    born: str


def consent_page(
    desk: Desk,
    request: Request,
    visitor: Visitor,
    asked: ConsentAsked,
    patients: Sequence[Patient],
    found: str | None,
) -> Response:
    """Return the page. `patients` are those to choose from, or the one it is about; `found` is what was looked for."""
    language = desk.language(request, visitor)
    principal = visitor.principal
    given = (
        words(
            language,
            "consent-who",
            name=visitor.account.name,
            host=urlsplit(asked.redirect_uri).netloc or asked.redirect_uri.partition(":")[0],
        ),
        " ",
        "" if principal is None else role_text(language, principal.kind, principal.reference),
    )
    scopes = [
        choice("checkbox", "scope", one, meaning(language, one), chosen=True)
        for one in asked.scopes
    ]
    form = element(
        "form",
        desk.proof(visitor.secret),
        hidden("request", asked.pending),
        *_about(language, asked, patients),
        group(words(language, "consent-scopes"), *scopes),
        button(words(language, "allow"), name="decision", value="allow"),
        button(words(language, "deny"), name="decision", value="deny", plain=True),
        method="post",
        action=asked.action,
    )
    search = Html()
    if asked.needs_patient and asked.patient is None and found is not None:
        search = _search(language, request, asked, found)
    return desk.page(
        request,
        visitor,
        "consent-title",
        element("p", words(language, "consent", client=asked.client_name)),
        element("p", asked.client_uri) if asked.client_uri else Html(),
        element("p", *given),
        search,
        form,
        _other_role(language, request, visitor),
        leads_to=asked.redirect_uri,
    )


def _about(language: Language, asked: ConsentAsked, patients: Sequence[Patient]) -> list[Html]:
    if asked.patient is not None:
        name = next((patient_label(language, one) for one in patients), asked.patient)
        return [element("p", words(language, "consent-given", patient=name))]
    if not asked.needs_patient:
        return []
    if not patients:
        return [said(words(language, "consent-none"), wrong=True)]
    radios = [
        choice("radio", "patient", one.id, patient_label(language, one), chosen=len(patients) == 1)
        for one in patients
    ]
    return [group(words(language, "consent-patient"), *radios)]


def _search(language: Language, request: Request, asked: ConsentAsked, found: str) -> Html:
    """Return a form that asks for the same page with other patients."""
    query = str(request.url.query) or asked.pending
    carried = [hidden(name, value) for name, value in parse_qsl(query) if name != FIND]
    return element(
        "form",
        *carried,
        field(FIND, words(language, "consent-find"), value=found, required=False),
        button(words(language, "consent-find-button"), plain=True),
        method="get",
        action=request.url.path,
    )


def _other_role(language: Language, request: Request, visitor: Visitor) -> Html:
    if len(visitor.roles) < 2 or not request.url.query:
        return Html()
    fields = hidden("continue", f"{request.url.path}?{request.url.query}")
    change = button(words(language, "change-role"), plain=True)
    return element("form", fields, change, method="get", action="/auth/role")


def patient_label(language: Language, one: Patient) -> str:
    """Return how a patient is called on a page: the name, and the date of birth where it is known."""
    name = one.name or words(language, "unnamed")
    return f"{name}, {words(language, 'born', date=one.born)}" if one.born else name
