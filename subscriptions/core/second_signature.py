"""The second signature: what lets a patient's rule be looser than a safety floor.

A Provenance with signatures of two different practitioners, whose target is the order (a draft, as
a rule: an order in force is refused while its rules are not signed). What is signed are the rules,
not the version that carries them: activating the signed draft changes nothing about them. That the
signatures are genuine is not proven here; who may write a Provenance is a question of access.
https://hl7.org/fhir/R4/provenance.html
"""

from hashlib import blake2b

from fhirserver.kernel.canonical import MONITORING_RULE
from fhirserver.kernel.resource import Json
from fhirserver.wire import fhir_json

_PEOPLE = ("Practitioner/", "PractitionerRole/")
_NEEDED = 2


def signed_orders(provenance: Json) -> tuple[tuple[str, int | None], ...]:
    """Return id and version (None: the current one) of the orders two people have signed here."""
    signers = {
        reference
        for signature in provenance.get("signature", ())
        if (reference := signature.get("who", {}).get("reference", "")).startswith(_PEOPLE)
    }
    if len(signers) < _NEEDED:
        return ()
    orders: list[tuple[str, int | None]] = []
    for target in provenance.get("target", ()):
        parts = target.get("reference", "").split("/")
        if parts[0] != "ServiceRequest" or len(parts) not in (2, 4):
            continue
        if len(parts) == 2:
            orders.append((parts[1], None))
        elif parts[2] == "_history" and parts[3].isdecimal():
            orders.append((parts[1], int(parts[3])))
    return tuple(orders)


def digest_of(order: Json) -> bytes:
    """Return a digest of the rules of `order` and of when they hold, whatever their sequence."""
    rules = sorted(
        fhir_json.write(extension)
        for extension in order.get("extension", ())
        if extension.get("url") == MONITORING_RULE
    )
    period = fhir_json.write(dict(order.get("occurrencePeriod", {})))
    return blake2b(b"\n".join((*rules, period)), digest_size=32).digest()
