"""capabilities: what this server can do, told from what it is made of.

Interactions and operations come from the route table and search parameters from the definitions, so
the statement cannot claim what is not there.

Spec: https://hl7.org/fhir/R4/capabilitystatement.html,
https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/conformance.html
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from fhirserver.definitions import Definitions, SearchParameter
from fhirserver.kernel.canonical import BACKPORT, BASE
from fhirserver.kernel.resource import Json

TOPIC_EXTENSION = BACKPORT + "capabilitystatement-subscriptiontopic-canonical"
SUBSCRIPTION_PROFILE = BACKPORT + "backport-subscription"

DOCUMENTATION = (
    "A search parameter, modifier or prefix that is not listed here is refused with 400 instead "
    "of being ignored: an "
    "answer to another question than the one asked is dangerous. Every request except this one "
    "needs a bearer token; "
    "callers see the patients of the CareTeams they are members of."
)


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
    """What the statement says about the running software."""

    version: str
    base: str
    started: datetime
    topics: Sequence[str] = ()


def capability_statement(
    offers: Sequence[Offer],
    definitions: Definitions,
    searchable: Mapping[str, Mapping[str, SearchParameter]],
    product: Product,
) -> Json:
    """Return the CapabilityStatement.

    `searchable` holds, by resource type and code, the parameters that the search language really
    takes.
    """
    return {
        "resourceType": "CapabilityStatement",
        "url": BASE + "CapabilityStatement/server",
        "version": product.version,
        "name": "FhirServer",
        "title": "FHIR server for home dialysis safety",
        "status": "active",
        "date": product.started.isoformat(timespec="seconds"),
        "kind": "instance",
        "software": {"name": "fhirserver", "version": product.version},
        "implementation": {"description": "This server", "url": product.base},
        "fhirVersion": definitions.fhir_version,
        "format": ["json", "application/fhir+json"],
        "rest": [
            {
                "mode": "server",
                "documentation": DOCUMENTATION,
                "security": {
                    "description": "OAuth 2.0 bearer tokens (RFC 6750), issued by an administrator."
                },
                "resource": [
                    _resource(type_, offers, searchable[type_], product.topics)
                    for type_ in sorted(definitions.resource_types)
                ],
                **_operations(offers, None),
            }
        ],
    }


def _resource(
    resource_type: str,
    offers: Sequence[Offer],
    searchable: Mapping[str, SearchParameter],
    topics: Sequence[str],
) -> Json:
    about: Json = {}
    if resource_type == "Subscription" and topics:
        about["extension"] = [{"url": TOPIC_EXTENSION, "valueCanonical": topic} for topic in topics]
    about["type"] = resource_type
    about["profile"] = f"http://hl7.org/fhir/StructureDefinition/{resource_type}"
    if resource_type == "Subscription" and topics:
        about["supportedProfile"] = [SUBSCRIPTION_PROFILE]
    about["interaction"] = [
        {"code": offer.code}
        for offer in offers
        if not offer.operation and offer.level != "system" and _covers(offer, resource_type)
    ]
    about["versioning"] = "versioned-update"
    about["readHistory"] = _offered(offers, "vread")
    about["updateCreate"] = _offered(offers, "update")
    about["conditionalCreate"] = False
    about["conditionalRead"] = "not-match"
    about["conditionalUpdate"] = False
    about["conditionalDelete"] = "not-supported"
    parameters = [
        {"name": code, "definition": parameter.url, "type": parameter.type}
        for code, parameter in sorted(searchable.items())
    ]
    if parameters:
        about["searchParam"] = parameters
    return about | _operations(offers, resource_type)


def _operations(offers: Sequence[Offer], resource_type: str | None) -> Json:
    operations = [
        {"name": offer.code, "definition": f"{BASE}OperationDefinition/{offer.code}"}
        for offer in offers
        if offer.operation
        and (
            offer.level == "system"
            if resource_type is None
            else offer.level != "system" and _covers(offer, resource_type)
        )
    ]
    return {"operation": operations} if operations else {}


def _covers(offer: Offer, resource_type: str) -> bool:
    return offer.types is None or resource_type in offer.types


def _offered(offers: Sequence[Offer], code: str) -> bool:
    return any(offer.code == code and not offer.operation for offer in offers)
