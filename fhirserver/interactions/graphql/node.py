"""A piece of a resource on its way through the executor, with the resource it belongs to."""

from dataclasses import dataclass
from typing import Any

from fhirserver.kernel.resource import Json


@dataclass(frozen=True, slots=True)
class Node:
    """`value` is a JSON object inside `resource` (or that itself): what "#id" refers to is there."""

    value: Json
    resource: Json

    def inside(self, value: Any) -> Any:
        """Return `value` of this object: objects as nodes of the same resource, the rest as it is.

        A resource within (contained, in a Bundle) keeps the outer one: its "#id" mean that.
        """
        return Node(value, self.resource) if isinstance(value, dict) else value
