"""capabilities of the terminology service: which code systems are loaded, and what can be asked.

Spec: https://hl7.org/fhir/R4/terminologycapabilities.html,
https://hl7.org/fhir/R4/http.html#capabilities (mode=terminology)
"""

from collections.abc import Iterable, Sequence

from fhirserver.definitions import Definitions
from fhirserver.interactions.capability_statement import Offer, Product
from fhirserver.kernel.resource import Json
from fhirserver.terminology.base import base_urls


def terminology_capabilities(
    offers: Sequence[Offer], definitions: Definitions, product: Product
) -> Json:
    """Return the TerminologyCapabilities: code systems of R4, of packages and of the tenant."""
    operations = {offer.code for offer in offers if offer.operation}
    about: Json = {
        **product.about("TerminologyCapabilities"),
        "description": "What is loaded, and nothing else: an operation on another code system or "
        "value set answers 404 and names it.",
        "codeSystem": _code_systems(definitions.canonicals("CodeSystem")),
        "codeSearch": "explicit",
    }
    if "expand" in operations:
        about["expansion"] = {"hierarchical": False, "paging": True, "incomplete": False}
    if "validate-code" in operations:
        about["validateCode"] = {"translations": False}
    if "translate" in operations:
        about["translation"] = {"needsMap": True}
    return about


def _code_systems(loaded: Iterable[Json]) -> list[Json]:
    versions: dict[str, list[str]] = {url: [] for url in base_urls("CodeSystem")}
    for resource in loaded:
        url, version = resource.get("url"), resource.get("version")
        if isinstance(url, str):
            known = versions.setdefault(url, [])
            if isinstance(version, str) and version not in known:
                known.append(version)
    rows: list[Json] = []
    for url, codes in sorted(versions.items()):
        row: Json = {"uri": url}
        if codes:
            row["version"] = [{"code": code} for code in sorted(codes)]
        rows.append(row)
    return rows
