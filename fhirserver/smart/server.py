"""What the endpoints of the authorization server share: the parts they ask, and what they tell the audit."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from authlib.oauth2.rfc6749.errors import OAuth2Error
from starlette.requests import Request

from fhirserver.kernel.audit import REFUSED, SUCCESS, Actor, Auditing, Happening, What
from fhirserver.kernel.ports import RecordStore
from fhirserver.kernel.principal import Grant
from fhirserver.smart.client import Client
from fhirserver.smart.client_keys import ClientKeys
from fhirserver.smart.client_proof import ClientProof
from fhirserver.smart.discovery import Addresses
from fhirserver.smart.family import Family
from fhirserver.smart.people import People
from fhirserver.smart.published_keys import PublishedKeys
from fhirserver.store.authorizations import Authorizations

# Who may register a client over HTTP: nobody, whoever has an administrator's token, anybody.
Registration = Literal["off", "token", "open"]
_BEARER: Final = "bearer "


@dataclass(frozen=True, slots=True)
class AuthorizationServer:
    """The parts. `tenant_of_strangers` is where clients belong that register themselves without a token."""

    store: Authorizations
    record: RecordStore
    people: People
    at: Addresses
    proof: ClientProof
    keys: PublishedKeys
    auditing: Auditing
    registration: Registration
    tenant_of_strangers: Callable[[], Awaitable[int]]

    @property
    def registers(self) -> bool:
        """Whether clients can be registered over HTTP."""
        return self.registration != "off"

    async def administrator(self, request: Request) -> Grant | None:
        """Return the administrator whose own bearer token the request carries, None when it carries none."""
        given = request.headers.get("authorization", "")
        if not given.lower().startswith(_BEARER):
            return None
        found = await self.record.grant(given[len(_BEARER) :].strip())
        if found is None or found.principal.kind != "admin" or found.scopes is not None:
            return None
        return found

    async def tell_token_issued(
        self, request: Request, client: Client, grant_type: str, answer: Mapping[str, Any]
    ) -> None:
        """Tell the audit of a token that was given; of the token itself nothing."""
        patient = answer.get("patient")
        await self._tell(
            request,
            client,
            "token-issued",
            grant_type,
            patients=frozenset(() if patient is None else (str(patient),)),
        )

    async def tell_token_refused(
        self, request: Request, client: Client | None, error: OAuth2Error
    ) -> None:
        """Tell the audit of a refusal, where it is known whose client was refused."""
        if client is not None:
            await self._tell(request, client, "token-refused", str(error.error), refused=True)

    async def tell_revoked(self, request: Request, client: Client) -> None:
        """Tell the audit of a token a client gave back."""
        await self._tell(request, client, "token-revoked", "")

    async def tell_registered(self, request: Request, client: Client) -> None:
        """Tell the audit of a client that was registered over HTTP."""
        await self._tell(request, client, "client-changed", "registered")

    async def tell_decided(self, request: Request, client: Client, family: Family | None) -> None:
        """Tell the audit what a person allowed, None: that they refused."""
        if family is None:
            await self._tell(
                request, client, "authorization-refused", "access_denied", refused=True
            )
            return
        actor = Actor(
            family.principal.reference,
            family.principal.kind,
            client.id,
            family.account,
            _address(request),
        )
        patients = frozenset(() if family.patient is None else (family.patient,))
        await self.auditing.report(
            Happening(
                client.tenant, "authorized", family.begun, actor, SUCCESS, patients, detail="code"
            )
        )

    async def _tell(
        self,
        request: Request,
        client: Client,
        what: What,
        detail: str,
        *,
        refused: bool = False,
        patients: frozenset[str] = frozenset(),
    ) -> None:
        actor = Actor(client=client.id, address=_address(request))
        outcome = REFUSED if refused else SUCCESS
        await self.auditing.report(
            Happening(
                client.tenant, what, self.store.now(), actor, outcome, patients, detail=detail
            )
        )


def authorization_server(  # noqa: PLR0913 - the parts are many, and each is named
    *,
    store: Authorizations,
    record: RecordStore,
    people: People,
    at: Addresses,
    client_keys: ClientKeys,
    keys: PublishedKeys,
    auditing: Auditing,
    registration: Registration,
    tenant_of_strangers: Callable[[], Awaitable[int]],
) -> AuthorizationServer:
    """Return the parts put together; `client_keys` are those clients prove themselves with, `keys` our own."""
    proof = ClientProof(store, client_keys, at.token)
    return AuthorizationServer(
        store, record, people, at, proof, keys, auditing, registration, tenant_of_strangers
    )


def _address(request: Request) -> str:
    return request.client.host if request.client is not None else ""
