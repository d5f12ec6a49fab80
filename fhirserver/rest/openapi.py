"""The server as an OpenAPI 3.1 document, told from the same route table that dispatches requests.

Resource types are a path parameter: 146 types times every interaction would make a document nobody
can load. Types that are named one by one get paths of their own, with their search parameters.

Spec: https://spec.openapis.org/oas/v3.1.1.html, https://hl7.org/fhir/R4/http.html
"""

from collections.abc import Mapping, Sequence
from typing import Final

from fhirserver.definitions import Definitions
from fhirserver.interactions.capability_statement import Product
from fhirserver.interactions.operation import Operation
from fhirserver.kernel.resource import Json
from fhirserver.rest import openapi_schemas as schemas
from fhirserver.rest.openapi_schemas import ref
from fhirserver.rest.route import Route
from fhirserver.search.query import supported_parameters

_FEW: Final = 6
"""Up to so many types of an operation get paths of their own."""

# Success codes by interaction; every operation may refuse besides.
_SUCCESS: Final[Mapping[str, Mapping[str, str]]] = {
    "read": {"200": "Resource", "304": ""},
    "vread": {"200": "Resource", "304": ""},
    "create": {"200": "Resource", "201": "Resource"},
    "update": {"200": "Resource", "201": "Resource"},
    "patch": {"200": "Resource"},
    "delete": {"200": "OperationOutcome", "204": ""},
    "search-type": {"200": "Bundle"},
    "search-system": {"200": "Bundle"},
    "history-instance": {"200": "Bundle"},
    "history-type": {"200": "Bundle"},
    "history-system": {"200": "Bundle"},
    "transaction": {"200": "Bundle"},
    "batch": {"200": "Bundle"},
}
_HISTORY: Final = ("_count", "_since", "_at")
_READ: Final = ("_summary", "_elements", "if-none-match", "if-modified-since")
_OWN: Final[Mapping[str, tuple[str, ...]]] = {
    "read": _READ,
    "vread": _READ,
    "create": ("if-none-exist",),
    "update": ("if-match",),
    "patch": ("if-match",),
    "delete": ("if-match",),
    "history-instance": _HISTORY,
    "history-type": _HISTORY,
    "history-system": _HISTORY,
}
_ASYNCHRONOUS: Final = "202"
_READ_REFUSALS: Final = ("400", "401", "403", "404", "406", "410", "413", "422", "429", "503")
_WRITE_REFUSALS: Final = (*_READ_REFUSALS, "405", "409", "412", "415")
_WRITES: Final = frozenset({"create", "update", "patch", "transaction"})


def describe(
    routes: Sequence[Route],
    operations: Sequence[Operation],
    definitions: Definitions,
    product: Product,
    types: Sequence[str] = (),
) -> Json:
    """Return the document.

    `types` are described one by one; without them every type goes under ``/{type}``.
    """
    by_code = {one.code: one for one in operations}
    paths: dict[str, Json] = {
        "/metadata": {"get": _metadata()},
        "/openapi.json": {"get": _openapi()},
    }
    for route in routes:
        for type_ in _placed(route, types):
            path = "/" + _path(route.shape, type_)
            described = _described(route, type_, by_code, definitions)
            paths.setdefault(path, {})[route.method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "FHIR server for home dialysis safety",
            "version": product.version,
            "description": "FHIR R4 (4.0.1). The CapabilityStatement at /metadata lists search "
            "parameters by type; ?type=Patient,Observation describes those types one by one.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": product.base}],
        "security": [{"bearer": []}],
        "paths": {path: _merged(methods) for path, methods in paths.items()},
        "components": schemas.components(sorted(definitions.resource_types)),
    }


def _placed(route: Route, types: Sequence[str]) -> Sequence[str]:
    """Return the types to write into the path of `route`, "" for a parameter."""
    if "{type}" not in route.shape:
        return ("",)
    if types:
        return [one for one in types if route.types is None or one in route.types]
    if route.types is not None and len(route.types) <= _FEW:
        return sorted(route.types)
    return ("",)


def _path(shape: str, type_: str) -> str:
    return shape.replace("{type}", type_) if type_ else shape


def _merged(methods: Json) -> Json:
    return dict(sorted(methods.items()))


def _described(
    route: Route, type_: str, operations: Mapping[str, Operation], definitions: Definitions
) -> Json:
    about: Json = {
        "operationId": _name(route, type_),
        "tags": [type_ or ("operations" if route.operation else route.level)],
        "summary": _summary(route, type_),
        "parameters": _parameters(route, type_, operations, definitions),
    }
    body = _body(route, operations)
    if body is not None:
        about["requestBody"] = body
    about["responses"] = _responses(route)
    return about


def _name(route: Route, type_: str) -> str:
    parts = [route.code, route.level if route.operation else "", type_, route.method.lower()]
    if "{inner}" in route.shape:
        parts.append("compartment")
    elif route.conditional:
        parts.append("conditional")
    parts.append("form" if route.shape.endswith("_search") else "")
    return "-".join(part for part in parts if part)


def _summary(route: Route, type_: str) -> str:
    what = f"${route.code}" if route.operation else route.code
    how = " (by search criteria)" if route.conditional and "{inner}" not in route.shape else ""
    return f"{what}{how}, {type_ or route.level}"


def _parameters(
    route: Route, type_: str, operations: Mapping[str, Operation], definitions: Definitions
) -> list[Json]:
    rows: list[Json] = []
    if "{type}" in route.shape and not type_:
        rows.append(_type_parameter(route))
    in_path = [one for one in ("id", "vid", "inner") if f"{{{one}}}" in route.shape]
    rows += [ref("parameters", name) for name in in_path]
    rows += [ref("parameters", name) for name in _shared(route)]
    if route.operation and route.method == "GET":
        operation = operations.get(route.code)
        rows += [
            schemas.query(one.name, schemas.primitive(one.type), required=one.least > 0)
            for one in (operation.inputs if operation is not None else ())
            if one.is_primitive
        ]
    if type_ and route.shape == "{type}" and route.code == "search-type":
        known = [*schemas.RESULT, "_format"]
        rows += [
            schemas.query(code, {"type": "string"}, parameter.type)
            for code, parameter in sorted(supported_parameters(type_, definitions).items())
            if code not in known
        ]
    return rows


def _shared(route: Route) -> tuple[str, ...]:
    """Return the names of the parameters that the components hold."""
    if route.operation:
        return ("_format",)
    if route.code.startswith("search"):
        return (*(schemas.RESULT if route.method == "GET" else ()), "_format", "prefer")
    if route.conditional:
        return ("criteria", "_format", "prefer")
    return (*_OWN.get(route.code, ()), "_format", "prefer")


def _type_parameter(route: Route) -> Json:
    if route.types is None:
        return ref("parameters", "type")
    return {
        "name": "type",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "enum": sorted(route.types)},
    }


def _body(route: Route, operations: Mapping[str, Operation]) -> Json | None:
    if route.method in ("GET", "DELETE"):
        return None
    if route.shape.endswith("_search"):
        form = {"type": "object", "additionalProperties": {"type": "string"}}
        return {"content": {"application/x-www-form-urlencoded": {"schema": form}}}
    if route.operation:
        operation = operations.get(route.code)
        whole = operation is not None and any(one.whole_body for one in operation.inputs)
        name = "Resource" if whole else "Parameters"
        return {"content": schemas.content(ref("schemas", name))}
    if route.code == "patch":
        return {
            "required": True,
            "content": {
                "application/json-patch+json": {"schema": ref("schemas", "JsonPatch")},
                "application/merge-patch+json": {"schema": {"type": "object"}},
                "application/fhir+json": {"schema": ref("schemas", "Parameters")},
            },
        }
    name = "Bundle" if route.level == "system" else "Resource"
    return {"required": True, "content": schemas.content(ref("schemas", name))}


def _responses(route: Route) -> Json:
    if route.operation:
        success: Mapping[str, str] = {"200": "Resource", "201": "Resource", "202": "", "204": ""}
    else:
        success = {**_SUCCESS.get(route.code, {"200": "Resource"}), _ASYNCHRONOUS: ""}
    rows: Json = {}
    for status, schema in success.items():
        rows[status] = ref("responses", schema or "Nothing")
    refusals = _READ_REFUSALS if route.method == "GET" and not route.operation else _WRITE_REFUSALS
    for status in refusals:
        rows.setdefault(status, ref("responses", "Refusal"))
    return dict(sorted(rows.items()))


def _metadata() -> Json:
    mode = {"type": "string", "enum": ["full", "normative", "terminology"]}
    return _open("capabilities", "Resource", schemas.query("mode", mode))


def _openapi() -> Json:
    types = schemas.query("type", {"type": "string"}, "resource types to describe one by one")
    about = _open("openapi", "Resource", types)
    about["responses"]["200"] = {
        "description": "This document.",
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
    return about


def _open(name: str, schema: str, parameter: Json) -> Json:
    return {
        "operationId": name,
        "tags": ["system"],
        "summary": name,
        "security": [],
        "parameters": [parameter, ref("parameters", "_format")],
        "responses": {
            "200": ref("responses", schema),
            "304": ref("responses", "Nothing"),
            **{one: ref("responses", "Refusal") for one in ("400", "401", "406", "413", "503")},
        },
    }
