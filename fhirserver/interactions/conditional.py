"""Conditional interactions: the resource is found by a search instead of an id.

Only what the caller may see can match, so that nobody learns by a condition what a read would not tell. Two writers
with the same criteria take turns (`Transaction.claim`): what the first one makes, the second one finds.

Spec: https://hl7.org/fhir/R4/http.html#ccreate
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from fhirserver.auth import visible
from fhirserver.interactions.authorize import require_role
from fhirserver.interactions.context import Context
from fhirserver.kernel.errors import BadRequest, PreconditionFailed
from fhirserver.kernel.resource import Stored
from fhirserver.search.query import Query, parse
from fhirserver.terminology import terminology_of

Pairs = Sequence[tuple[str, str]]

# What shapes a result instead of choosing resources has no meaning in a condition.
_SHAPING: Final = frozenset(
    {"_count", "_sort", "_cursor", "_include", "_revinclude", "_summary", "_elements", "_total",
     "_contained", "_containedType", "_explain"}
)  # fmt: skip
_ENOUGH: Final = 2


@dataclass(frozen=True, slots=True)
class Criteria:
    """A condition on resources of `type`. `text` is the same for the same condition, however its parts are ordered."""

    type: str
    text: str
    query: Query

    @property
    def claim(self) -> tuple[str, str]:
        """What to claim before looking."""
        return self.type, self.text


def criteria(context: Context, resource_type: str, pairs: Pairs) -> Criteria:
    """Return the condition that search parameters make.

    Raises `BadRequest` when there is none, for a parameter that is unknown or shapes results, and `Forbidden` for a
    role that may read no resource of the type, or of a type the condition reaches.
    """
    if not pairs:
        raise BadRequest("A condition needs search parameters.")
    for name, _ in pairs:
        if name.partition(":")[0] in _SHAPING:
            raise BadRequest(f"The parameter {name!r} has no meaning in a condition.")
    query = parse(
        resource_type,
        [*pairs, ("_count", str(_ENOUGH))],
        context.definitions,
        base=context.base,
        terminology=terminology_of(context.definitions),
    )
    for type_ in sorted({resource_type, *query.types_touched()}):
        require_role(context, "search", type_)
    return Criteria(
        resource_type, "&".join(sorted(f"{name}={value}" for name, value in pairs)), query
    )


async def the_match(context: Context, wanted: Criteria) -> Stored | None:
    """Return the one resource that meets `wanted` and that the caller may see, None without any.

    Raises `PreconditionFailed` when there are several.
    """
    found: list[Stored] = []
    query = wanted.query
    while len(found) < _ENOUGH:
        page = await context.store.search(context.access, query)
        found += [
            one
            for one in page.entries
            if one.type == wanted.type and visible(context.access, one.type, one.content)
        ]
        if page.cursor is None:
            break
        query = replace(query, cursor_key=page.cursor)
    if len(found) > 1:
        message = f"Several {wanted.type} resources meet the condition; nothing was done."
        raise PreconditionFailed(message)
    return found[0] if found else None
