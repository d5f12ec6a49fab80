"""$graphql: a query in GraphQL, on everything or on one resource.

The body is JSON (`query`, `variables`, `operationName`) or, as `application/graphql`, the query
itself; with GET the query is a parameter. The answer is GraphQL's, not a FHIR resource.

Spec: https://hl7.org/fhir/R4/graphql.html
"""

from typing import Any, Final

from fhirserver.interactions.context import Context
from fhirserver.interactions.graphql.run import Asked, run
from fhirserver.interactions.operation import (
    CORE,
    INSTANCE,
    SYSTEM,
    Answer,
    Call,
    Operation,
)
from fhirserver.interactions.operation_parameters import Input
from fhirserver.kernel.errors import BadRequest, UnsupportedMediaType
from fhirserver.wire import fhir_json

JSON: Final = "application/json"
TEXT: Final = "application/graphql"


async def graphql(context: Context, call: Call) -> Answer:
    """Return data and errors as JSON. Raises as `fhirserver.interactions.graphql.run`."""
    answer = await run(context, _asked(call), call.type, call.id)
    return Answer(content=fhir_json.write(answer), media_type=JSON)


def _asked(call: Call) -> Asked:
    given = call.parameters
    if not call.content:
        return _of(given.text("query"), given.text("variables"), given.text("operationName"))
    if call.media_type == TEXT:
        try:
            return _of(call.content.decode(), None, given.text("operationName"))
        except UnicodeDecodeError:
            raise BadRequest("The query is not valid UTF-8.") from None
    if call.media_type != JSON:
        raise UnsupportedMediaType(f"Send the query as {JSON} or {TEXT}.")
    body = fhir_json.read(call.content)
    if not body.keys() <= {"query", "variables", "operationName", "extensions"}:
        raise BadRequest("The body has query, variables and operationName.")
    return _of(body.get("query"), body.get("variables"), body.get("operationName"))


def _of(query: Any, variables: Any, name: Any) -> Asked:
    if isinstance(variables, str):
        variables = fhir_json.read(variables.encode())
    if not isinstance(query, str) or not query.strip():
        raise BadRequest("There is no query.")
    if not isinstance(variables, dict | None) or not isinstance(name, str | None):
        raise BadRequest("variables is an object and operationName a text.")
    return Asked(query, variables or {}, name)


GRAPHQL: Final = Operation(
    code="graphql",
    levels=SYSTEM | INSTANCE,
    types=None,
    affects_state=False,
    run=graphql,
    inputs=(Input("query"), Input("variables"), Input("operationName")),
    definition=CORE + "Resource-graphql",
    own_body=True,
)
