"""capabilities: what this server can do, told from what it is made of.

Interactions and operations come from the route table, search parameters and profiles from the
definitions of the tenant who asks, so the statement cannot claim what is not there.

Spec: https://hl7.org/fhir/R4/capabilitystatement.html,
https://hl7.org/fhir/R4/http.html#capabilities,
https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/conformance.html
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from fhirserver.definitions import Definitions, SearchParameter
from fhirserver.kernel.canonical import BACKPORT, BACKPORT_GUIDE, BASE
from fhirserver.kernel.resource import WRITTEN_ONCE, Json

TOPIC_EXTENSION = BACKPORT + "capabilitystatement-subscriptiontopic-canonical"
SUBSCRIPTION_PROFILE = BACKPORT + "backport-subscription"
BACKPORT_SERVER = BACKPORT_GUIDE + "CapabilityStatement/backport-subscription-server-r4"

DOCUMENTATION = (
    "A search parameter, modifier or prefix that is not listed here is refused with 400, although "
    "the specification lets servers ignore it: an answer to another question than the one asked is "
    "dangerous. With the header Prefer: handling=lenient unknown parameters are ignored, left out "
    "of the self link and named in an OperationOutcome of the result. Every request except this "
    "one and the OpenAPI document needs a bearer token; callers see the patients of the CareTeams "
    "they are members of."
)

FORMATS: Final = ("json", "xml", "application/fhir+json", "application/fhir+xml")

# The resource types whose pages the R4 specification marks normative.
NORMATIVE: Final = frozenset(
    {
        "Binary", "Bundle", "CapabilityStatement", "CodeSystem", "Observation",
        "OperationDefinition", "OperationOutcome", "Parameters", "Patient", "StructureDefinition",
        "ValueSet",
    }
)  # fmt: skip

_SMART: Final = {
    "system": "http://terminology.hl7.org/CodeSystem/restful-security-service",
    "code": "SMART-on-FHIR",
}

_CHANGES: Final = frozenset({"update", "patch", "delete"})
# A type that is written once: PUT under an id that is free creates, everything else is refused with 403.
_ONCE: Final[Json] = {
    "documentation": "Written once: nobody changes or deletes one. A PUT creates under an id that is free.",
    "versioning": "versioned",
    "conditionalUpdate": False,
    "conditionalDelete": "not-supported",
}

Mode = Literal["full", "normative"]


@dataclass(frozen=True, slots=True)
class Offer:
    """One thing the route table offers.

    `code` is a restful interaction code, or the name of an operation (without ``$``). `types` None
    means every resource type.
    """

    code: str
    level: Literal["system", "type", "instance"]
    operation: bool = False
    types: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Product:
    """What the statement says about the running software.

    `conditional` are the conditional* elements every resource type has; `patch_formats` the media
    types a PATCH may come in; `operations` the canonicals of operations by code, ours where one is
    missing; `oauth_uris` the extension that says where tokens are had, None where only an
    administrator issues them.
    """

    version: str
    base: str
    started: datetime
    topics: Sequence[str] = ()
    conditional: Mapping[str, object] = field(default_factory=dict)
    patch_formats: Sequence[str] = ()
    operations: Mapping[str, str] = field(default_factory=dict)
    oauth_uris: Json | None = None

    def about(self, kind: str) -> Json:
        """Return the elements that statements of every kind begin with."""
        return {
            "resourceType": kind,
            "url": f"{BASE}{kind}/server",
            "version": self.version,
            "name": "FhirServer",
            "title": "FHIR server for home dialysis safety",
            "status": "active",
            "date": self.started.isoformat(timespec="seconds"),
            "kind": "instance",
            "software": {"name": "fhirserver", "version": self.version},
            "implementation": {"description": "This server", "url": self.base},
        }


def capability_statement(
    offers: Sequence[Offer],
    definitions: Definitions,
    searchable: Mapping[str, Mapping[str, SearchParameter]],
    product: Product,
    mode: Mode = "full",
) -> Json:
    """Return the CapabilityStatement.

    `searchable` holds, by resource type and code, the parameters that the search language really
    takes. `mode` normative leaves out the types that the specification does not mark so.
    """
    types = sorted(definitions.resource_types)
    if mode == "normative":
        types = [one for one in types if one in NORMATIVE]
    referrers = _referrers(searchable) if _searches(offers) else {}
    return {
        **product.about("CapabilityStatement"),
        **({"instantiates": [BACKPORT_SERVER]} if product.topics else {}),
        "fhirVersion": definitions.fhir_version,
        "format": list(FORMATS),
        **({"patchFormat": list(product.patch_formats)} if product.patch_formats else {}),
        "rest": [
            {
                "mode": "server",
                "documentation": DOCUMENTATION,
                "security": _security(product),
                "resource": [
                    _resource(type_, offers, definitions, searchable[type_], referrers, product)
                    for type_ in types
                ],
                **_system_interactions(offers),
                **_operations(offers, None, product),
            }
        ],
    }


def _security(product: Product) -> Json:
    """Return how callers are known, with what older apps look for.

    https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html#declaring-support-for-oauth2-endpoints
    """
    if product.oauth_uris is None:
        told = "OAuth 2.0 bearer tokens (RFC 6750), issued by an administrator."
        return {"cors": True, "description": told}
    return {
        "extension": [product.oauth_uris],
        "cors": True,
        "service": [{"coding": [_SMART], "text": "OAuth 2.0 with SMART App Launch 2.2"}],
        "description": "OAuth 2.0 bearer tokens (RFC 6750); see .well-known/smart-configuration.",
    }


def _resource(
    resource_type: str,
    offers: Sequence[Offer],
    definitions: Definitions,
    searchable: Mapping[str, SearchParameter],
    referrers: Mapping[str, Sequence[str]],
    product: Product,
) -> Json:
    about: Json = {}
    profiles = list(definitions.profiles(resource_type))
    if resource_type == "Subscription" and product.topics:
        about["extension"] = [
            {"url": TOPIC_EXTENSION, "valueCanonical": topic} for topic in product.topics
        ]
        profiles = [SUBSCRIPTION_PROFILE, *(one for one in profiles if one != SUBSCRIPTION_PROFILE)]
    about["type"] = resource_type
    about["profile"] = f"http://hl7.org/fhir/StructureDefinition/{resource_type}"
    if profiles:
        about["supportedProfile"] = profiles
    about["interaction"] = [
        {"code": offer.code}
        for offer in offers
        if not offer.operation and offer.level != "system" and _covers(offer, resource_type)
        if not (offer.code in _CHANGES and resource_type in WRITTEN_ONCE)
    ]
    about["versioning"] = "versioned-update"
    about["readHistory"] = _offered(offers, "vread")
    about["updateCreate"] = _offered(offers, "update")
    about |= product.conditional
    if resource_type in WRITTEN_ONCE:
        about |= _ONCE
    if _searches(offers):
        about |= _links(resource_type, searchable, referrers)
    parameters = [
        {"name": code, "definition": parameter.url, "type": parameter.type}
        for code, parameter in sorted(searchable.items())
    ]
    if parameters:
        about["searchParam"] = parameters
    return about | _operations(offers, resource_type, product)


def _links(
    resource_type: str,
    searchable: Mapping[str, SearchParameter],
    referrers: Mapping[str, Sequence[str]],
) -> Json:
    forward = [
        f"{resource_type}:{code}"
        for code, parameter in sorted(searchable.items())
        if parameter.type == "reference"
    ]
    backward = [*referrers.get(resource_type, ()), *referrers.get("Resource", ())]
    links: Json = {"searchInclude": ["*", *forward]}
    if backward:
        links["searchRevInclude"] = backward
    return links


def _referrers(
    searchable: Mapping[str, Mapping[str, SearchParameter]],
) -> dict[str, list[str]]:
    """Return by target type the reference parameters, as ``Type:code``, that lead to it."""
    found: dict[str, list[str]] = {}
    for type_, parameters in sorted(searchable.items()):
        for code, parameter in sorted(parameters.items()):
            if parameter.type == "reference":
                for target in parameter.target:
                    found.setdefault(target, []).append(f"{type_}:{code}")
    return found


def _system_interactions(offers: Sequence[Offer]) -> Json:
    codes = [one.code for one in offers if one.level == "system" and not one.operation]
    return {"interaction": [{"code": code} for code in codes]} if codes else {}


def _operations(offers: Sequence[Offer], resource_type: str | None, product: Product) -> Json:
    codes = dict.fromkeys(
        offer.code
        for offer in offers
        if offer.operation
        and (
            offer.level == "system"
            if resource_type is None
            else offer.level != "system" and _covers(offer, resource_type)
        )
    )
    operations = [
        {
            "name": code,
            "definition": product.operations.get(code) or f"{BASE}OperationDefinition/{code}",
        }
        for code in codes
    ]
    return {"operation": operations} if operations else {}


def _covers(offer: Offer, resource_type: str) -> bool:
    return offer.types is None or resource_type in offer.types


def _offered(offers: Sequence[Offer], code: str) -> bool:
    return any(offer.code == code and not offer.operation for offer in offers)


def _searches(offers: Sequence[Offer]) -> bool:
    return _offered(offers, "search-type")
