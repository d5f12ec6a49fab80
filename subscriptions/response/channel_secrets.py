"""From a Subscription as a client sends it to the sealed secrets beside its cursor, and back."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from weakref import WeakKeyDictionary

import orjson

from fhirserver.kernel.errors import Unprocessable
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.resource import Json
from subscriptions.core.client_subscription import place_of, wishes
from subscriptions.core.hl7v2.keep_alive import CODE as HL7V2
from subscriptions.core.secret_fingerprint import fingerprint_of, with_fingerprint
from subscriptions.core.withheld_headers import withheld, without_values
from subscriptions.store import secret_rows

_DOMAIN: Final = "channel-secret"
_DIGITS: Final = 64
# Header lines of this channel are its settings.
_READABLE: Final = frozenset({HL7V2})
_NAME_BYTES: Final = 8
# What begins with it is both kinds of secrets, as JSON; a secret alone, which is printable, is kept as it is.
_BOTH: Final = b"\x01"


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept beside the cursor of one Subscription: the secret that signs, and header values by their names."""

    secret: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


NOTHING_KEPT: Final = Kept()


class ChannelSecrets:
    """Holds secrets between the admission of a Subscription and the end of its transaction."""

    def __init__(self) -> None:
        """Hold none yet."""
        self._held: WeakKeyDictionary[Transaction, dict[str, str]] = WeakKeyDictionary()

    def take(self, tx: Transaction, resource: Json, previous: Json | None) -> Json:
        """Return a checked Subscription as it may be stored: names instead of its secrets.

        Raises `Unprocessable` for names of header values that `previous` does not have, or has for another endpoint:
        else who may not read a value could have it sent to a place of their own.
        """
        resource = self._without_values(tx, resource, previous)
        secret = wishes(resource).secret
        if secret is None:
            return with_fingerprint(resource, fingerprint_of(resource))
        fingerprint = f"{tx.blind(_DOMAIN, secret) % (1 << _DIGITS):016x}"
        self._held.setdefault(tx, {})[fingerprint] = secret
        return with_fingerprint(resource, fingerprint)

    async def settle(self, tx: Transaction, subscription: str, resource: Json) -> None:
        """Bring the row of a Subscription's cursor in step with what `resource` names."""
        fingerprint, names = fingerprint_of(resource), withheld(resource)
        if fingerprint is None and not names:
            secret_rows.forget(tx, subscription)
            return
        held = self._held.get(tx, {})
        before = (await secrets_of(tx, {subscription: resource})).get(subscription, NOTHING_KEPT)
        secret = None if fingerprint is None else held.get(fingerprint, before.secret)
        values = {**before.headers, **held}
        now = Kept(secret, {name: values[name] for name in names if name in values})
        if now != before:
            sealed = await tx.seal(None, _purpose(subscription), _written(now))
            secret_rows.keep(tx, subscription, sealed)

    def _without_values(self, tx: Transaction, resource: Json, previous: Json | None) -> Json:
        if wishes(resource).way in _READABLE:
            return resource
        is_same = previous is not None and place_of(previous) == place_of(resource)
        known = withheld(previous) if previous is not None and is_same else frozenset[str]()
        if withheld(resource) - known:
            message = (
                "The value of this header is withheld: give it again, as it is not of this Subscription or "
                "was given for another endpoint."
            )
            raise Unprocessable(message, expression="Subscription.channel.header")
        stored, values = without_values(resource, lambda: secrets.token_hex(_NAME_BYTES))
        self._held.setdefault(tx, {}).update(values)
        return stored


async def secrets_of(tx: Transaction, subscriptions: Mapping[str, Json]) -> dict[str, Kept]:
    """Return, by id, what is kept of the `subscriptions`; without those that have nothing.

    Asks the database, once, only where there are some.
    """
    asked = [
        id_
        for id_, one in subscriptions.items()
        if fingerprint_of(one) is not None or withheld(one)
    ]
    if not asked:
        return {}
    sealed = await secret_rows.secrets(tx, asked)
    return {
        id_: _read(await tx.unseal(None, _purpose(id_), envelope))
        for id_, envelope in sealed.items()
    }


def _written(kept: Kept) -> bytes:
    if kept.secret is not None and not kept.headers:
        return kept.secret.encode()
    return _BOTH + orjson.dumps({"secret": kept.secret, "headers": dict(kept.headers)})


def _read(content: bytes) -> Kept:
    if not content.startswith(_BOTH):
        return Kept(content.decode())
    return Kept(**orjson.loads(content[len(_BOTH) :]))


def _purpose(subscription: str) -> str:
    return f"{_DOMAIN}|{subscription}"
