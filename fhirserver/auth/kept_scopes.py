"""The scopes under which a Subscription was written, kept in it: nobody is sent later what their token did not cover.

An extension set by the server on every write by a client; what a client sends there is dropped. With the scopes stand the
app and the account whose token it was: what they may be told ends with them.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html
"""

from typing import Final
from urllib.parse import quote, unquote

from fhirserver.kernel.canonical import BASE
from fhirserver.kernel.principal import Access, Grant, Principal
from fhirserver.kernel.resource import Json

SCOPES: Final = BASE + "StructureDefinition/subscription-scopes"
_WHOSE: Final = ("client", "account")


def with_scopes(resource: Json, access: Access) -> Json:
    """Return `resource`, a Subscription saying which scopes `access` has, and none where nothing narrows it."""
    if resource.get("resourceType") != "Subscription":
        return resource
    kept = [one for one in resource.get("extension", []) if one.get("url") != SCOPES]
    held = text_of(grant_with(access))
    if held:
        kept.append({"url": SCOPES, "valueString": held})
    bare = {name: value for name, value in resource.items() if name != "extension"}
    return {**bare, "extension": kept} if kept else bare


def grant_with(access: Access) -> Grant:
    """Return the grant that `access` was decided for."""
    scopes = None if access.scopes is None else tuple(one.text for one in access.scopes)
    return Grant(access.principal, scopes, access.launch, access.client, access.account)


def grant_of(subscription: Json, owner: Principal) -> Grant:
    """Return what `owner` had in hand when `subscription` was written."""
    for one in subscription.get("extension", ()):
        if one.get("url") == SCOPES:
            return grant_in(str(one.get("valueString", "")), owner)
    return Grant(owner)


def grant_in(text: str, owner: Principal) -> Grant:
    """Return the grant of `owner` that `text` (a patient's id or ``-``, then scopes, then whose token) tells of."""
    launch, *words = text.split(" ")
    whose: dict[str, str | None] = dict.fromkeys(_WHOSE)
    scopes = []
    for word in words:
        name, _, value = word.partition(":")
        if name in whose:
            whose[name] = unquote(value)
        else:
            scopes.append(word)
    patient = None if launch == "-" else launch
    return Grant(owner, tuple(scopes), patient, whose["client"], whose["account"])


def text_of(grant: Grant) -> str:
    """Return the text that `grant_in` reads; "" for a grant that nothing narrows."""
    if grant.scopes is None:
        return ""
    whose = (("client", grant.client), ("account", grant.account))
    named = (f"{name}:{quote(value, safe='')}" for name, value in whose if value is not None)
    return " ".join((narrowing(grant), *named))


def narrowing(grant: Grant) -> str:
    """Return what narrows `grant`, whoever holds it; "" where nothing does."""
    return "" if grant.scopes is None else " ".join((grant.patient or "-", *grant.scopes))
