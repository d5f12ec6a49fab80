"""Proves that a request comes from the client it names.

Spec: https://www.rfc-editor.org/rfc/rfc6749#section-2.3, https://www.rfc-editor.org/rfc/rfc7523#section-3
"""

import hashlib
from collections.abc import Mapping

from authlib.oauth2.rfc6749.errors import OAuth2Error
from starlette.requests import Request

from fhirserver.smart import assertion, client_authentication
from fhirserver.smart.client import Client
from fhirserver.smart.client_authentication import Credentials, unproved
from fhirserver.smart.client_keys import ClientKeys
from fhirserver.store import grants
from fhirserver.store.authorizations import Authorizations


class ClientProof:
    """Asks the store for clients and remembers which assertions were used."""

    def __init__(self, store: Authorizations, keys: ClientKeys, audience: str) -> None:
        """Take assertions made for `audience`, the URL of the token endpoint."""
        self._store = store
        self._keys = keys
        self._audience = audience

    async def client(self, request: Request, form: Mapping[str, str]) -> Client:
        """Return the client, proved where it can prove itself.

        Raises `InvalidClientError`, `InvalidRequestError` for several proofs at once.
        """
        credentials = client_authentication.read(request.headers.get("authorization"), form)
        found = await self._store.client(credentials.client_id)
        client = client_authentication.accept(credentials, found)
        if credentials.method == "private_key_jwt":
            await self._prove(client, credentials)
        return client

    async def named(self, request: Request, form: Mapping[str, str]) -> Client | None:
        """Return the client a request names, proved or not; None when it names none there is."""
        try:
            credentials = client_authentication.read(request.headers.get("authorization"), form)
        except OAuth2Error:
            return None
        return await self._store.client(credentials.client_id)

    async def _prove(self, client: Client, credentials: Credentials) -> None:
        said, text = credentials.said, credentials.assertion
        assert said is not None
        assert text is not None
        if said.jku is not None and said.jku != client.jwks_uri:
            raise unproved("jku is not the URL the client registered.")
        keys = await self._keys.of(client, said.kid)
        now = self._store.now()
        proof = assertion.proof(text, said, keys, self._audience, now)
        digest = hashlib.sha256(proof.jti.encode()).digest()
        async with self._store.transaction(client.tenant) as tx:
            is_first = await grants.claim_assertion(tx, client.id, digest, proof.until)
        if not is_first:
            raise unproved("The assertion was used before.")
