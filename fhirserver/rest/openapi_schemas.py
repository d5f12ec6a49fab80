"""The shared parts of the OpenAPI document: parameters, responses and schemas.

Schemas say what every resource has in common; the definitions of FHIR say the rest, and validation
refuses what breaks them with every problem and its place.

Spec: https://spec.openapis.org/oas/v3.1.1.html#components-object
"""

from collections.abc import Mapping, Sequence
from typing import Final

from fhirserver.kernel.resource import Json

RESULT: Final = (
    "_id", "_lastUpdated", "_count", "_sort", "_total", "_summary", "_elements", "_include",
    "_revinclude", "_cursor",
)  # fmt: skip

_TEXT: Final = {"type": "string"}
_ID: Final = {"type": "string", "pattern": "^[A-Za-z0-9.-]{1,64}$"}
_NUMBERS: Final = frozenset({"integer", "positiveInt", "unsignedInt"})


def ref(kind: str, name: str) -> Json:
    """Return a reference to a component."""
    return {"$ref": f"#/components/{kind}/{name}"}


def query(
    name: str, schema: Mapping[str, object], told: str = "", *, required: bool = False
) -> Json:
    """Return a query parameter."""
    row: Json = {"name": name, "in": "query", "schema": dict(schema)}
    if told:
        row["description"] = told
    if required:
        row["required"] = True
    return row


def primitive(type_: str) -> Json:
    """Return the schema of a primitive FHIR type in a query."""
    if type_ in _NUMBERS:
        return {"type": "integer"}
    if type_ == "boolean":
        return {"type": "boolean"}
    return {"type": "number"} if type_ == "decimal" else {"type": "string"}


def content(schema: Json) -> Json:
    """Return the media types of a body; the schema describes its JSON form."""
    return {"application/fhir+json": {"schema": schema}, "application/fhir+xml": {"schema": _TEXT}}


def components(types: Sequence[str]) -> Json:
    """Return everything that paths refer to. `types` are the resource types there are."""
    return {
        "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        "parameters": _parameters(types),
        "responses": _responses(),
        "schemas": _schemas(types),
    }


def _parameters(types: Sequence[str]) -> Json:
    type_ = {"type": "string", "enum": list(types)}
    rows: Json = {
        "type": {"name": "type", "in": "path", "required": True, "schema": type_},
        "inner": {"name": "inner", "in": "path", "required": True, "schema": type_},
        "id": {"name": "id", "in": "path", "required": True, "schema": _ID},
        "vid": {
            "name": "vid",
            "in": "path",
            "required": True,
            "schema": {"type": "string", "pattern": "^[1-9][0-9]{0,8}$"},
        },
        "criteria": {
            "name": "criteria",
            "in": "query",
            "description": "Search parameters that find exactly one resource.",
            "style": "form",
            "explode": True,
            "schema": {"type": "object", "additionalProperties": {"type": "string"}},
        },
        "_format": query("_format", {"type": "string", "enum": ["json", "xml"]}),
        "_summary": query(
            "_summary", {"type": "string", "enum": ["true", "text", "data", "count", "false"]}
        ),
        "_elements": query("_elements", _TEXT, "element names, comma-separated"),
        "_count": query("_count", {"type": "integer", "minimum": 1, "maximum": 1000}),
        "_total": query("_total", {"type": "string", "enum": ["none", "estimate", "accurate"]}),
        "_since": query("_since", {"type": "string", "format": "date-time"}),
        "_at": query("_at", {"type": "string", "format": "date"}),
        "_id": query("_id", _ID),
        "_lastUpdated": query("_lastUpdated", _TEXT, "date with prefix, such as ge2026-01-01"),
        "_sort": query("_sort", _TEXT, "parameters, comma-separated, - for descending"),
        "_include": query("_include", _TEXT, "Type:parameter"),
        "_revinclude": query("_revinclude", _TEXT, "Type:parameter"),
        "_cursor": query("_cursor", _TEXT, "from a next link; not to be made up"),
    }
    headers = {
        "if-match": 'W/"3"',
        "if-none-match": 'W/"3"',
        "if-modified-since": "Sat, 21 Nov 2026 10:00:00 GMT",
        "if-none-exist": "identifier=urn:example|1",
        "prefer": "return=minimal",
    }
    for name, example in headers.items():
        rows[name] = {"name": name, "in": "header", "schema": _TEXT, "example": example}
    return rows


def _responses() -> Json:
    return {
        "Resource": _response("A resource.", "Resource"),
        "Bundle": _response("A Bundle.", "Bundle"),
        "OperationOutcome": _response("What was done.", "OperationOutcome"),
        "Refusal": _response("Why it was refused.", "OperationOutcome"),
        "Nothing": {"description": "No body."},
    }


def _response(told: str, schema: str) -> Json:
    return {"description": told, "content": content(ref("schemas", schema))}


def _schemas(types: Sequence[str]) -> Json:
    return {
        "Resource": {
            "type": "object",
            "required": ["resourceType"],
            "properties": {"resourceType": {"type": "string", "enum": list(types)}, "id": _ID},
            "examples": [
                {"resourceType": "Patient", "name": [{"family": "Doe", "given": ["Ann"]}]}
            ],
        },
        "Bundle": _of_type(
            "Bundle",
            {
                "type": _TEXT,
                "entry": {"type": "array", "items": {"type": "object"}, "minItems": 1},
            },
            ["type"],
        ),
        "Parameters": _of_type(
            "Parameters",
            {
                "parameter": {
                    "type": "array",
                    "minItems": 1,
                    "items": {
                        "type": "object",
                        "required": ["name"],
                        "properties": {"name": _TEXT},
                    },
                }
            },
        ),
        "OperationOutcome": _of_type(
            "OperationOutcome",
            {
                "issue": {
                    "type": "array",
                    "minItems": 1,
                    "items": {
                        "type": "object",
                        "required": ["severity", "code"],
                        "properties": {
                            "severity": {
                                "type": "string",
                                "enum": ["fatal", "error", "warning", "information"],
                            },
                            "code": _TEXT,
                            "diagnostics": _TEXT,
                            "expression": {"type": "array", "items": _TEXT},
                        },
                    },
                }
            },
            ["issue"],
        ),
        "JsonPatch": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["op", "path"],
                "properties": {
                    "op": {
                        "type": "string",
                        "enum": ["add", "remove", "replace", "move", "copy", "test"],
                    },
                    "path": _TEXT,
                    "from": _TEXT,
                },
            },
        },
    }


def _of_type(name: str, properties: Json, required: Sequence[str] = ()) -> Json:
    return {
        "type": "object",
        "required": ["resourceType", *required],
        "properties": {"resourceType": {"type": "string", "const": name}, **properties},
    }
