"""The secrets of a container deployment, as lines of an ``.env`` file; random bytes are arguments.

On one machine the supervisor makes these by itself. Where database and broker run in containers of
their own, both ends must be told.
"""

from collections.abc import Callable

from fhirserver.supervisor.nats_jwt import AccountKey


def lines(random: Callable[[int], bytes]) -> list[str]:
    """Return ``NAME=value`` lines made of `random(count)` bytes each."""
    issuer = AccountKey.of(random(32))
    passwords = ("POSTGRES_PASSWORD", "NATS_SERVER_PASSWORD", "NATS_AUTHENTICATOR_PASSWORD")
    return [
        # A letter first: nats-server reads a variable that starts with a digit as a number.
        *(f"{name}=s{random(24).hex()}" for name in (*passwords, "NATS_STORE_KEY")),
        f"NATS_CALLOUT_ISSUER={issuer.public}",
        f"NATS_CALLOUT_SEED={issuer.seed}",
    ]
