"""Definitions that hold R4 and a few resources more, for tests of terminology."""

from typing import Any

from fhirserver.definitions import Definitions, load
from fhirserver.terminology import Terminology

ANIMALS = "http://example.org/CodeSystem/animals"
SET = "http://example.org/ValueSet/"


def animals(**more: Any) -> dict[str, Any]:
    """Return a small code system: a tree with one animal under two parents."""
    return {
        "resourceType": "CodeSystem",
        "url": ANIMALS,
        "version": "2",
        "status": "active",
        "content": "complete",
        "valueSet": SET + "all-animals",
        "property": [{"code": "legs", "type": "integer"}, {"code": "parent", "type": "code"}],
        "concept": [
            {
                "code": "animal",
                "display": "Animal",
                "property": [{"code": "notSelectable", "valueBoolean": True}],
                "concept": [
                    {
                        "code": "mammal",
                        "display": "Mammal",
                        "concept": [
                            {
                                "code": "dog",
                                "display": "Dog",
                                "definition": "Barks.",
                                "designation": [{"language": "de", "value": "Hund"}],
                                "property": [{"code": "legs", "valueInteger": 4}],
                            },
                            {
                                "code": "bat",
                                "display": "Bat",
                                "property": [
                                    {"code": "legs", "valueInteger": 2},
                                    {"code": "parent", "valueCode": "flyer"},
                                ],
                            },
                        ],
                    },
                    {"code": "flyer", "display": "Flyer"},
                    {
                        "code": "dodo",
                        "display": "Dodo",
                        "property": [{"code": "status", "valueCode": "retired"}],
                    },
                ],
            }
        ],
        **more,
    }


def value_set(name: str, *include: dict[str, Any], **compose: Any) -> dict[str, Any]:
    """Return a value set with the URL SET + `name`."""
    return {
        "resourceType": "ValueSet",
        "url": SET + name,
        "status": "active",
        "compose": {"include": list(include), **compose},
    }


def definitions(*resources: dict[str, Any]) -> Definitions:
    """Return R4 with `resources` on top."""
    return load().extended(resources, frozenset())


def terminology(*resources: dict[str, Any]) -> Terminology:
    """Return the terminology of R4 with `resources` on top."""
    return Terminology(definitions(*resources))
