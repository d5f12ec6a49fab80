"""One row of the route table.

Spec: https://hl7.org/fhir/R4/http.html#summary
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from fhirserver.interactions.context import Context
from fhirserver.rest.replies import Reply
from fhirserver.rest.requests import Request

Handler = Callable[[Request, Context], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Route:
    """`method` on URLs of `shape` runs `handler(request, context)`.

    `code` is the interaction's code in a CapabilityStatement, or the operation's name; `also` are
    further codes the same route answers. GET routes answer HEAD too. `conditional`: the form of an
    interaction that finds its resource by search. `types` None means every resource type.
    """

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    shape: str
    code: str
    level: Literal["system", "type", "instance"]
    handler: Handler
    operation: bool = False
    types: frozenset[str] | None = None
    affects_state: bool = True
    conditional: bool = False
    also: tuple[str, ...] = ()
