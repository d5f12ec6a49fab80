"""``/auth/authorize``: an app asks a person to let it in; the person decides, and the app gets a code.

Nothing is kept between the steps: the app's request travels with the browser and is judged anew at
every step, so whoever changes it on the way only asks for something else.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#obtain-authorization-code,
https://www.rfc-editor.org/rfc/rfc9207
"""

import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Final
from urllib.parse import urlencode
from uuid import uuid4

from authlib.oauth2.rfc6749.errors import AccessDeniedError, InvalidRequestError, OAuth2Error
from authlib.oidc.core.errors import ConsentRequiredError, LoginRequiredError
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from fhirserver.auth.scopes import Scopes, narrow, read_scopes
from fhirserver.crypto.secret_digest import secret_digest
from fhirserver.interactions.access_now import access_of
from fhirserver.kernel.errors import Gone, NotFound
from fhirserver.kernel.principal import Grant
from fhirserver.smart import answers, authorization_request, form
from fhirserver.smart.authorization_request import AuthorizationRequest, NoRedirect
from fhirserver.smart.client import Client
from fhirserver.smart.family import (
    ACCESS_LIFETIME,
    CODE_LIFETIME,
    FAMILY_LIFETIME,
    Code,
    Family,
)
from fhirserver.smart.http_form import read_body
from fhirserver.smart.people import ConsentAsked, Decision, EncounterAsked, Launch, SignedIn
from fhirserver.smart.server import AuthorizationServer
from fhirserver.smart.token_request import is_refreshable
from fhirserver.store import grants

PATH: Final = "/auth/authorize"
DECIDE: Final = "/auth/authorize/decide"
_CODE_BYTES: Final = 32
# What pages of ours add to the request while a person looks around; no business of the app.
_OURS: Final = ("find",)
_CANNOT: Final = "This app cannot be let in"
_ENCOUNTER: Final = "launch/encounter"
_SAID_OFTEN: Final = frozenset(("login", "select_account"))


class AuthorizeEndpoint:
    """Two of the edges of an `AuthorizationServer`."""

    def __init__(self, server: AuthorizationServer) -> None:
        """Answer for `server`."""
        self._server = server
        self._people = server.people

    async def ask(self, request: Request) -> Response:
        """Ask the person in front of this browser, who logs in first if need be."""
        try:
            parameters, client, uri = await self._read(await _text(request))
        except (NoRedirect, InvalidRequestError) as problem:
            return self._no_redirect(request, problem)
        try:
            asked = self._judged(parameters, client, uri)
            who = await self._people.signed_in(request)
            if "none" in asked.prompt:
                # Consent is asked for each time, so nothing can be had without a person.
                raise LoginRequiredError if who is None else ConsentRequiredError
        except OAuth2Error as error:
            return RedirectResponse(self._told(error, parameters, uri), 302)
        try:
            return await self._ask(request, parameters, asked, who)
        except OAuth2Error as error:
            return self._people.leave(request, self._told(error, parameters, uri))

    async def decide(self, request: Request) -> Response:
        """Take the person's decision to the app."""
        decision = await self._people.decision(request)
        if decision is None:
            return self._people.problem(
                request, _CANNOT, "This page was open for too long. Start again from the app."
            )
        try:
            parameters, client, uri = await self._read(decision.pending)
        except (NoRedirect, InvalidRequestError) as problem:
            return self._no_redirect(request, problem)
        try:
            asked = self._judged(parameters, client, uri)
            unsaid = await self._unsaid(asked, decision)
            if unsaid is not None:
                return await self._people.ask_encounter(request, decision.who, unsaid)
            family = await self._family(asked, decision)
            code = await self._code(asked, family, decision.who)
        except OAuth2Error as error:
            await self._server.tell_decided(request, client, None)
            return RedirectResponse(self._told(error, parameters, uri), 303)
        await self._server.tell_decided(request, client, family)
        answer = {"code": code, "state": asked.state, "iss": self._server.at.issuer}
        return RedirectResponse(authorization_request.redirect_with(uri, answer), 303)

    async def _read(self, text: str) -> tuple[Mapping[str, str], Client, str]:
        found = form.read(text)
        parameters = {name: value for name, value in found.items() if name not in _OURS}
        client = await self._server.store.client(parameters.get("client_id", ""))
        return parameters, *authorization_request.destination(parameters, client)

    def _judged(
        self, parameters: Mapping[str, str], client: Client, uri: str
    ) -> AuthorizationRequest:
        return authorization_request.read(parameters, client, uri, self._server.at.fhir_base)

    async def _ask(
        self,
        request: Request,
        parameters: Mapping[str, str],
        asked: AuthorizationRequest,
        who: SignedIn | None,
    ) -> Response:
        again = self._must_log_in_again(asked, who)
        if who is None or who.tenant != asked.client.tenant or again:
            rest = _without_login(parameters) if again else parameters
            then = f"{PATH}?{urlencode(rest)}"
            return self._people.login(request, asked.client.tenant, then, again=who is not None)
        launch = await self._launch(asked, who, consume=False)
        patient = None if launch is None else launch.patient
        return await self._people.ask(
            request,
            who,
            ConsentAsked(
                urlencode(parameters),
                DECIDE,
                asked.client.name,
                asked.client.details.get("client_uri"),
                asked.redirect_uri,
                asked.scopes.texts(),
                _needs_patient(asked.scopes, launch) and patient is None,
                patient,
            ),
        )

    def _must_log_in_again(self, asked: AuthorizationRequest, who: SignedIn | None) -> bool:
        if asked.prompt & _SAID_OFTEN:
            return True
        if who is None or asked.max_age is None:
            return False
        return self._server.store.now() - who.since > timedelta(seconds=asked.max_age)

    async def _launch(
        self, asked: AuthorizationRequest, who: SignedIn, *, consume: bool
    ) -> Launch | None:
        if asked.launch is None:
            return None
        launch = await self._people.launch_context(
            who.tenant, asked.launch, who, client=asked.client.id, consume=consume
        )
        if launch is None:
            raise InvalidRequestError("launch is not one that this app and person may use now.")
        return launch

    async def _unsaid(
        self, asked: AuthorizationRequest, decision: Decision
    ) -> EncounterAsked | None:
        """Return what is still to be asked: which encounter it is about. None when nothing is."""
        scopes = _allowed(asked, decision)
        launch = await self._launch(asked, decision.who, consume=False)
        patient = _patient(launch, decision)
        known = _encounter(launch, decision, patient) is not None
        if known or patient is None or not scopes.has(_ENCOUNTER):
            return None
        return EncounterAsked(
            decision.pending,
            DECIDE,
            f"{PATH}?{decision.pending}",
            asked.client.name,
            asked.redirect_uri,
            scopes.texts(),
            patient,
            decision.after,
        )

    async def _family(self, asked: AuthorizationRequest, decision: Decision) -> Family:
        """Return what the person allows. Raises `OAuth2Error` when that is nothing."""
        who, client = decision.who, asked.client
        scopes = _allowed(asked, decision)
        launch = await self._launch(asked, who, consume=True)
        patient = _patient(launch, decision)
        if patient is None and _needs_patient(scopes, launch):
            raise AccessDeniedError("No patient was chosen.")
        if patient is not None and not await self._may_read(who, patient):
            raise AccessDeniedError("The patient is not one this person may see.")
        encounter = _encounter(launch, decision, patient) or None
        if encounter is None:
            scopes = _without_encounter(scopes)
        if not scopes.texts():
            raise AccessDeniedError("No encounter was chosen.")
        now = self._server.store.now()
        return Family(
            uuid4(),
            who.principal,
            client.id,
            who.account,
            who.session,
            who.fhir_user,
            scopes.texts(),
            patient,
            who.since,
            now,
            now + _lifetime(scopes, client),
            answers.launch_context(launch, encounter),
            asked.nonce,
        )

    async def _may_read(self, who: SignedIn, patient: str) -> bool:
        record = self._server.record
        access = await access_of(record, Grant(who.principal), record.now())
        try:
            await record.read(access, "Patient", patient)
        except (NotFound, Gone):
            return False
        return True

    async def _code(self, asked: AuthorizationRequest, family: Family, who: SignedIn) -> str:
        text = secrets.token_urlsafe(_CODE_BYTES)
        async with self._server.store.transaction(asked.client.tenant) as tx:
            # Whoever closes the account, ends the session or takes the role away now finds the grant, or was first.
            if not await self._people.hold(tx, who):
                raise AccessDeniedError("The person is not signed in any more.")
            code = Code(
                family, asked.redirect_uri, asked.challenge, tx.now + CODE_LIFETIME, used=None
            )
            await grants.begin(tx, family, code, secret_digest(text))
        return text

    def _told(self, error: OAuth2Error, parameters: Mapping[str, str], uri: str) -> str:
        told = authorization_request.refusal(error, parameters, self._server.at.issuer)
        return authorization_request.redirect_with(uri, told)

    def _no_redirect(self, request: Request, problem: Exception) -> Response:
        text = (
            problem.args[0] if isinstance(problem, NoRedirect) else "The request is not in order."
        )
        return self._people.problem(request, _CANNOT, text)


def _allowed(asked: AuthorizationRequest, decision: Decision) -> Scopes:
    """Return the scopes that the person allows. Raises `OAuth2Error` when there are none."""
    if not decision.allowed or decision.who.tenant != asked.client.tenant:
        raise AccessDeniedError("The person did not let the app in.")
    scopes = narrow(asked.scopes, read_scopes(decision.scopes))
    if not scopes.texts():
        raise AccessDeniedError("The person allowed nothing.")
    return scopes


def _needs_patient(scopes: Scopes, launch: Launch | None) -> bool:
    """Return whether the app must learn which patient this is about; an encounter is chosen among a patient's."""
    chosen = launch is not None and launch.encounter is not None
    return (
        scopes.has("launch/patient")
        or "patient" in scopes.contexts()
        or (scopes.has(_ENCOUNTER) and not chosen)
    )


def _patient(launch: Launch | None, decision: Decision) -> str | None:
    return launch.patient if launch is not None and launch.patient else decision.patient


def _encounter(launch: Launch | None, decision: Decision, patient: str | None) -> str | None:
    """Return the id of the encounter this is about, "" where the person says that it is about none, None where unsaid."""
    if launch is not None and launch.encounter is not None:
        return launch.encounter.removeprefix("Encounter/")
    return decision.encounter if decision.patient == patient else None


def _without_encounter(scopes: Scopes) -> Scopes:
    """Return `scopes` without the one that promises an encounter."""
    return replace(scopes, others=tuple(one for one in scopes.others if one != _ENCOUNTER))


async def _text(request: Request) -> str:
    if request.method == "POST":
        return (await read_body(request, form.FORM)).decode("utf-8", "replace")
    return request.url.query


def _without_login(parameters: Mapping[str, str]) -> Mapping[str, str]:
    """Return the request without what asks for a login that comes now."""
    rest = {name: value for name, value in parameters.items() if name not in ("prompt", "max_age")}
    prompt = [one for one in parameters.get("prompt", "").split() if one not in _SAID_OFTEN]
    return {**rest, "prompt": " ".join(prompt)} if prompt else rest


def _lifetime(scopes: Scopes, client: Client) -> timedelta:
    return FAMILY_LIFETIME if is_refreshable(scopes, client) else CODE_LIFETIME + ACCESS_LIFETIME
