"""The accounts as the authorization server sees them (`fhirserver.smart.people.People`)."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from fhirserver.accounts import answers, session
from fhirserver.accounts.consent_page import FIND, Patient, consent_page
from fhirserver.accounts.desk import Desk, Visitor
from fhirserver.accounts.encounter_page import EARLIER, NONE, encounter_page
from fhirserver.accounts.encounters import Encounters
from fhirserver.accounts.forms import Form, first
from fhirserver.accounts.html import element, said
from fhirserver.accounts.patients import Patients
from fhirserver.accounts.texts import words
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.principal import Principal
from fhirserver.smart.people import ConsentAsked, Decision, EncounterAsked, Launch, SignedIn
from fhirserver.store import launches, people, sessions

_PERSONS: Final = ("Patient", "Practitioner", "RelatedPerson", "Person")


class AccountPeople:
    """Implements `fhirserver.smart.people.People`."""

    def __init__(self, desk: Desk, patients: Patients, encounters: Encounters) -> None:
        """Work at `desk`; choose among `patients` and their `encounters`."""
        self._desk = desk
        self._patients = patients
        self._encounters = encounters

    async def signed_in(self, request: Request) -> SignedIn | None:
        """Return who is signed in, wholly and in a role; None when nobody is."""
        visitor = await self._desk.visitor(request)
        return None if visitor is None else await self._who(visitor)

    def login(
        self, request: Request, tenant: int | None, then: str, *, again: bool = False
    ) -> Response:
        """Send the browser to sign in, and from there to `then`, a path of ours."""
        return self._desk.login("" if tenant is None else tenant, then, again=again)

    async def ask(self, request: Request, who: SignedIn, asked: ConsentAsked) -> Response:
        """Return the consent page."""
        visitor = await self._desk.visitor(request)
        if visitor is None:
            return self._desk.login(who.tenant, f"{request.url.path}?{request.url.query}")
        found: str | None = None
        if asked.patient is not None:
            known = await self._patients.one(who.principal, asked.patient)
            patients = [] if known is None else [known]
        elif asked.needs_patient:
            name = request.query_params.get(FIND, "").strip()
            patients, more = await self._patients.found(who.principal, name)
            found = name if name or more else None
        else:
            patients = []
        return consent_page(self._desk, request, visitor, asked, patients, found)

    async def ask_encounter(
        self, request: Request, who: SignedIn, asked: EncounterAsked
    ) -> Response:
        """Return the page with the patient's encounters."""
        visitor = await self._desk.visitor(request)
        if visitor is None:
            return self._desk.login(who.tenant, asked.beginning)
        patient = await self._patients.one(who.principal, asked.patient)
        found, earlier = await self._encounters.newest(who.principal, asked.patient, asked.after)
        return encounter_page(self._desk, request, visitor, asked, patient, found, earlier)

    async def decision(self, request: Request) -> Decision | None:
        """Return what the person said on the consent page; None when it was not on ours, in this session."""
        visitor = await self._desk.visitor(request)
        who = None if visitor is None else await self._who(visitor)
        form = None if visitor is None else await self._desk.form(request, visitor.secret)
        if who is None or form is None:
            return None
        wanted = first(form, "patient")
        patient = await self._patients.one(who.principal, wanted) if wanted else None
        said = first(form, "decision")
        return Decision(
            first(form, "request"),
            who,
            said in ("allow", EARLIER),
            tuple(form.get("scope", ())),
            None if patient is None else patient.id,
            None if said == EARLIER else await self._encounter(form, who, patient),
            first(form, "after") if said == EARLIER else "",
        )

    async def _encounter(self, form: Form, who: SignedIn, patient: Patient | None) -> str | None:
        if "encounter" not in form or patient is None:
            return None
        wanted = first(form, "encounter")
        if wanted == NONE or await self._encounters.is_of(who.principal, wanted, patient.id):
            return wanted
        return None

    async def launch_context(
        self, tenant: int, handle: str, who: SignedIn, *, client: str, consume: bool
    ) -> Launch | None:
        """Return what a handle of ``$launch`` stands for, when it is for this client and this person."""
        async with self._desk.transaction(tenant) as tx:
            found = await launches.find(tx, handle, consume=False)
            if found is None:
                return None
            meant_for, reference, context = found
            if meant_for not in (None, client):
                return None
            roles = {one for _, one in await people.roles(tx, who.account)}
            if who.tenant != tenant or (reference is not None and reference not in roles):
                return None
            if consume:
                await launches.find(tx, handle, consume=True)
        return Launch(
            context.get("patient"),
            context.get("encounter"),
            tuple(context.get("fhirContext", ())),
            context.get("intent"),
            context.get("needPatientBanner", True),
        )

    async def is_alive(self, tenant: int, session: str) -> bool:
        """Return whether that session has not ended, and its account is open."""
        async with self._desk.transaction(tenant) as tx:
            row = await sessions.by_id(tx, session)
            if row is None or _is_over(self._desk, row, tx):
                return False
            account = await people.by_id(tx, row.account)
            return account is not None and account.disabled is None

    async def hold(self, tx: Transaction, who: SignedIn) -> bool:
        """Return whether the session and the role are still there, held until `tx` ends."""
        return await sessions.hold(tx, who.session, who.principal.kind, who.principal.reference)

    def problem(self, request: Request, title: str, text: str, status: int = 400) -> Response:
        """Return a page that says what is wrong."""
        language = self._desk.language(request)
        return answers.page(language, title, said(text, wrong=True), status=status)

    def leave(self, request: Request, url: str) -> Response:
        """Send the browser on to `url` of an app, also from the answer of a form of ours."""
        language = self._desk.language(request)
        title = words(language, "leaving")
        link = element("p", element("a", words(language, "continue"), href=url))
        return answers.page(language, title, link, refresh=(0, url))

    async def _who(self, visitor: Visitor) -> SignedIn | None:
        principal = visitor.principal
        if visitor.step != "done" or principal is None:
            return None
        return SignedIn(
            visitor.tenant,
            visitor.account.id,
            visitor.session.id,
            visitor.account.name,
            principal,
            await self._fhir_user(visitor, principal),
            visitor.session.opened,
            visitor.session.methods,
            visitor.account.language,
        )

    async def _fhir_user(self, visitor: Visitor, principal: Principal) -> str:
        """Return the resource of the human: of a PractitionerRole its Practitioner, of an administrator the Person."""
        reference = principal.reference
        type_, _, id_ = reference.partition("/")
        if type_ in _PERSONS:
            return reference
        if type_ == "PractitionerRole":
            async with self._desk.transaction(visitor.tenant) as tx:
                role = await tx.get(type_, id_)
            named = str(((role or {}).get("practitioner") or {}).get("reference", ""))
            if named.startswith("Practitioner/"):
                return named
        person = visitor.account.person
        return f"Person/{person}" if person else ""


def _is_over(desk: Desk, row: session.Session, tx: Transaction) -> bool:
    return session.is_over(row, desk.rules.limits, tx.now)
