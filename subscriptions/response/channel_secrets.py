"""From a Subscription as a client sends it to the sealed secret beside its cursor, and back."""

from collections.abc import Mapping
from typing import Final
from weakref import WeakKeyDictionary

from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.resource import Json
from subscriptions.core.client_subscription import wishes
from subscriptions.core.secret_fingerprint import fingerprint_of, with_fingerprint
from subscriptions.store import secret_rows

_DOMAIN: Final = "channel-secret"
_DIGITS: Final = 64


class ChannelSecrets:
    """Holds secrets between the admission of a Subscription and the end of its transaction."""

    def __init__(self) -> None:
        """Hold none yet."""
        self._held: WeakKeyDictionary[Transaction, dict[str, str]] = WeakKeyDictionary()

    def take(self, tx: Transaction, resource: Json) -> Json:
        """Return a checked Subscription as it may be stored: a fingerprint instead of its secret."""
        secret = wishes(resource).secret
        if secret is None:
            return with_fingerprint(resource, fingerprint_of(resource))
        fingerprint = f"{tx.blind(_DOMAIN, secret) % (1 << _DIGITS):016x}"
        self._held.setdefault(tx, {})[fingerprint] = secret
        return with_fingerprint(resource, fingerprint)

    async def settle(self, tx: Transaction, subscription: str, resource: Json) -> None:
        """Bring the row of a Subscription's cursor in step with the fingerprint in `resource`."""
        fingerprint = fingerprint_of(resource)
        if fingerprint is None:
            secret_rows.forget(tx, subscription)
            return
        secret = self._held.get(tx, {}).get(fingerprint)
        if secret is not None:
            sealed = await tx.seal(None, _purpose(subscription), secret.encode())
            secret_rows.keep(tx, subscription, sealed)


async def secrets_of(tx: Transaction, subscriptions: Mapping[str, Json]) -> dict[str, str]:
    """Return, by id, the secrets with which what goes to the endpoints of `subscriptions` is signed.

    Without those that have none. Asks the database, once, only where there are some.
    """
    signing = [id_ for id_, one in subscriptions.items() if fingerprint_of(one) is not None]
    if not signing:
        return {}
    sealed = await secret_rows.secrets(tx, signing)
    return {
        id_: (await tx.unseal(None, _purpose(id_), envelope)).decode()
        for id_, envelope in sealed.items()
    }


def _purpose(subscription: str) -> str:
    return f"{_DOMAIN}|{subscription}"
