"""A Subscription in R4 with the Backport extensions, read into plain values.

https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/StructureDefinition-backport-subscription.html
"""

from dataclasses import dataclass, field
from typing import Any, Final, cast

from fhirserver.auth.kept_scopes import SCOPES
from fhirserver.kernel.canonical import BACKPORT, BASE, TOPIC_RESOURCE_CHANGE
from fhirserver.kernel.principal import Principal, PrincipalKind
from fhirserver.kernel.resource import Json
from subscriptions.core.channel_secret import secret_of
from subscriptions.core.criteria_subscription import is_plain
from subscriptions.core.notification import Content

# Who had a client's Subscription made (`written_by`), and whose rights therefore decide what it is sent.
# Set by the server on every client write; what a client sends here is dropped.
OWNER: Final = BASE + "StructureDefinition/subscription-owner"
HL7_CHANNEL_TYPES: Final = "http://terminology.hl7.org/CodeSystem/subscription-channel-type"
_CORE_CHANNELS: Final = ("rest-hook", "websocket", "email", "sms", "message")


@dataclass(frozen=True, slots=True)
class Wishes:
    """What a Subscription asks for. Times in seconds; None where it does not say.

    `plain`: it has R4 `criteria` (``Observation?code=x``) instead of a topic; then `filters` are
    those criteria, and `content` says nothing.
    """

    topic: str
    filters: tuple[str, ...]
    plain: bool
    channel: str
    custom_channel: str | None
    endpoint: str | None
    payload: str | None
    content: Content | None
    headers: tuple[str, ...]
    heartbeat: int | None
    timeout: int | None
    max_count: int | None
    end: str | None
    secret: str | None = field(default=None, repr=False)

    @property
    def way(self) -> str:
        """Return the code of the channel that delivers it: the custom one where it names one."""
        return self.channel if self.custom_channel is None else self.custom_channel


def wishes(resource: Json) -> Wishes:
    """Return what `resource` (a structurally valid Subscription) asks for."""
    channel: Json = resource.get("channel", {})
    criteria = str(resource.get("criteria", ""))
    plain = is_plain(criteria)
    content = _extension(channel.get("_payload"), "backport-payload-content", "valueCode")
    custom = _extension(channel.get("_type"), "backport-channel-type", "valueCoding")
    return Wishes(
        topic=TOPIC_RESOURCE_CHANGE if plain else criteria,
        filters=(criteria,) if plain else _filters(resource),
        plain=plain,
        channel=_core_channel(custom) or str(channel.get("type", "")),
        custom_channel=_custom_channel(custom),
        endpoint=channel.get("endpoint"),
        payload=channel.get("payload"),
        content=None if plain else cast("Content | None", content),
        headers=tuple(channel.get("header", ())),
        heartbeat=_number(channel, "backport-heartbeat-period", "valueUnsignedInt"),
        timeout=_number(channel, "backport-timeout", "valueUnsignedInt"),
        max_count=_number(channel, "backport-max-count", "valuePositiveInt"),
        end=resource.get("end"),
        secret=secret_of(channel),
    )


def _core_channel(coding: Json | None) -> str | None:
    """Return the code of a channel type that R4 knows itself, though said by the extension."""
    if coding is None or coding.get("system") != HL7_CHANNEL_TYPES:
        return None
    code = str(coding.get("code", ""))
    return code if code in _CORE_CHANNELS else None


def _custom_channel(coding: Json | None) -> str | None:
    """Return ``system|code`` of a channel type that R4 has no code for, None otherwise."""
    if coding is None or _core_channel(coding) is not None:
        return None
    return f"{coding.get('system', '')}|{coding.get('code', '')}"


def _filters(resource: Json) -> tuple[str, ...]:
    return tuple(
        str(e.get("valueString", ""))
        for e in _extensions(resource.get("_criteria"), "backport-filter-criteria")
    )


def with_owner(resource: Json, principal: Principal) -> Json:
    """Return `resource` saying that `principal` owns it, whatever it said before."""
    kept = [e for e in resource.get("extension", []) if e.get("url") != OWNER]
    text = f"{principal.kind} {principal.reference}".strip()
    return {**resource, "extension": [*kept, {"url": OWNER, "valueString": text}]}


def written_by(resource: Json, previous: Json | None, principal: Principal) -> Json:
    """Return `resource` with whose rights decide what it is sent, when `principal` puts it in the place of `previous`.

    Whoever corrects the Subscription of somebody else lends it no rights: it keeps its owner, and the scopes it was
    written under. Where it is to be sent to another place, it is sent for who said so.
    """
    owner = None if previous is None else owner_of(previous, principal.tenant)
    if previous is None or owner in (None, principal) or place_of(resource) != place_of(previous):
        return with_owner(resource, principal)
    ours = (OWNER, SCOPES)
    kept = [one for one in resource.get("extension", []) if one.get("url") not in ours]
    said = [one for one in previous.get("extension", []) if one.get("url") in ours]
    return {**resource, "extension": [*kept, *said]}


def place_of(resource: Json) -> tuple[str, str | None]:
    """Return by which channel a Subscription is sent, and to which endpoint."""
    wanted = wishes(resource)
    return wanted.way, wanted.endpoint


def owner_of(resource: Json, tenant: int) -> Principal | None:
    """Return who owns a Subscription; None for one the server made itself."""
    text = next((e.get("valueString") for e in _owner_extensions(resource)), None)
    if text is None:
        return None
    kind, _, reference = text.partition(" ")
    return Principal(tenant, cast("PrincipalKind", kind), reference)


def _owner_extensions(resource: Json) -> list[Json]:
    return [e for e in resource.get("extension", []) if e.get("url") == OWNER]


def _extensions(element: Any, name: str) -> list[Json]:
    if not isinstance(element, dict):
        return []
    return [e for e in element.get("extension", []) if e.get("url") == BACKPORT + name]


def _extension(element: Any, name: str, value: str) -> Any:
    return next((e.get(value) for e in _extensions(element, name)), None)


def _number(element: Any, name: str, value: str) -> int | None:
    found = _extension(element, name, value)
    return found if isinstance(found, int) else None
