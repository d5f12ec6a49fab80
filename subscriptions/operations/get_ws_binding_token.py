"""Subscription/$get-ws-binding-token: what opens a websocket for Subscriptions, and where to connect.

The token is random, good for an hour and for its caller's Subscriptions alone; it may be used for
several sockets, one after the other, until it ends. Whoever holds it gets no more than the caller
could: access is decided again when it is shown and for as long as the socket is open.

Spec: https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/OperationDefinition-backport-subscription-get-ws-binding-token.html
"""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit

from fhirserver.auth.kept_scopes import grant_of, grant_with, narrowing
from fhirserver.interactions.context import Context
from fhirserver.interactions.operation import INSTANCE, TYPE, Answer, Call, Operation
from fhirserver.interactions.operation_parameters import Input
from fhirserver.interactions.parameters import parameters
from fhirserver.interactions.read import read
from fhirserver.kernel.canonical import BACKPORT_GUIDE
from fhirserver.kernel.errors import BadRequest, Forbidden, Gone, NotFound, TooCostly, Unprocessable
from fhirserver.kernel.instant import instant
from fhirserver.wire import fhir_json
from subscriptions.channels.websocket import CODE
from subscriptions.core.client_subscription import owner_of, wishes
from subscriptions.core.websocket_binding import PATH, Limits
from subscriptions.store import binding_rows
from subscriptions.store.binding_rows import BindingToken

LIFETIME: Final = timedelta(hours=1)
"""How long a token may be shown; a socket must be bound anew before."""

_SECURE: Final = {"http": "ws", "https": "wss"}


class WebsocketBinding:
    """Answers with a token for the caller's websocket Subscriptions."""

    def __init__(self, url: str, token: Callable[[], str]) -> None:
        """Send clients to `url`; `token` returns fresh random text of 22 to 128 URL-safe characters."""
        self._url = url
        self._token = token

    async def answer(self, context: Context, call: Call) -> Answer:
        """Return Parameters: token, expiration, the Subscriptions it is for, websocket-url.

        Without an id the token is for all active websocket Subscriptions of the caller. Raises
        `NotFound`, `Gone`; `Forbidden` for a Subscription of somebody else, except for
        administrators; `Unprocessable` for one that has no websocket or is not active, and when the
        caller has none at all; `TooCostly` for more than fit on a socket.
        """
        most = Limits().bindings
        named: Sequence[str] = (call.id,) if call.id else _listed(call)
        if len(named) > most:
            raise TooCostly(f"A socket takes {most} Subscriptions.")
        for id_ in named:
            await _require_usable(context, id_)
        token = self._token()
        async with context.store.transaction(context.tenant) as tx:
            if not named:
                owner = None if context.access.everything else context.principal
                found = await binding_rows.active_of(tx, owner, most + 1)
                named = [one for one in found if await _is_usable(context, one)]
                if not named:
                    raise Unprocessable("You have no active websocket Subscription.")
                if len(named) > most:
                    raise TooCostly(f"More than {most} websocket Subscriptions: name some by id.")
            expires = tx.now + LIFETIME
            await binding_rows.issue(
                tx, token, BindingToken(context.principal, tuple(named), expires)
            )
        return Answer(
            parameters(
                ("token", "valueString", token),
                ("expiration", "valueDateTime", instant(expires)),
                *(("subscription", "valueString", id_) for id_ in named),
                ("websocket-url", "valueUrl", self._url),
            )
        )


def get_ws_binding_token(public_url: str, token: Callable[[], str]) -> Operation:
    """Return the operation of a server that others reach at `public_url` (http or https, no slash)."""
    return Operation(
        "get-ws-binding-token",
        TYPE | INSTANCE,
        frozenset({"Subscription"}),
        affects_state=False,
        run=WebsocketBinding(websocket_url(public_url), token).answer,
        inputs=(Input("id", "id", most=None),),
        definition=BACKPORT_GUIDE
        + "OperationDefinition/backport-subscription-get-ws-binding-token",
    )


def websocket_url(public_url: str) -> str:
    """Return where clients connect: wss where the server is reached by https."""
    parts = urlsplit(public_url)
    return f"{_SECURE[parts.scheme]}://{parts.netloc}{parts.path.rstrip('/')}{PATH}"


def _listed(call: Call) -> Sequence[str]:
    """Return every id given; several may stand in one, with commas between them."""
    given = (one for text in call.parameters.texts("id") for one in text.split(","))
    ids = tuple(dict.fromkeys(one.strip() for one in given))
    if not all(ids):
        raise BadRequest("The parameter id must not be empty.")
    return ids


async def _is_usable(context: Context, id_: str) -> bool:
    """Return whether a Subscription of the caller's may be bound with this token; one without scopes binds all."""
    if context.access.scopes is None:
        return True
    try:
        await _require_usable(context, id_)
    except (Forbidden, NotFound, Gone, Unprocessable):
        return False
    return True


async def _require_usable(context: Context, id_: str) -> None:
    stored = await read(context, "Subscription", id_)
    subscription = fhir_json.read(stored.content)
    if not context.access.everything:
        owner = owner_of(subscription, context.tenant)
        if owner != context.principal:
            raise Forbidden(f"Subscription/{id_} belongs to somebody else.")
        held = narrowing(grant_with(context.access))
        if held and held != narrowing(grant_of(subscription, owner)):
            raise Forbidden(f"Subscription/{id_} was written under other scopes.")
    if wishes(subscription).way != CODE:
        raise Unprocessable(f"Subscription/{id_} has no websocket.")
    if subscription["status"] != "active":
        raise Unprocessable(f"Subscription/{id_} is not active.")
