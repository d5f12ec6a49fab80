"""From a Subscription as a client sends it to the sealed secret beside its cursor, and back."""

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


async def secret_of(tx: Transaction, subscription: Json) -> str | None:
    """Return the secret with which what goes to the endpoint of `subscription` is signed.

    None without one. Asks the database only where there is one.
    """
    id_ = str(subscription["id"])
    if fingerprint_of(subscription) is None:
        return None
    sealed = await secret_rows.secret(tx, id_)
    return None if sealed is None else (await tx.unseal(None, _purpose(id_), sealed)).decode()


def _purpose(subscription: str) -> str:
    return f"{_DOMAIN}|{subscription}"
