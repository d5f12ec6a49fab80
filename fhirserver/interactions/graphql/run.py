"""Runs a GraphQL query: reads it, checks it, executes it as its caller.

A query on one resource is turned into a query on everything with that resource as its only field,
so that both follow the same schema.

Spec: https://hl7.org/fhir/R4/graphql.html, https://spec.graphql.org/October2021/#sec-Response
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from graphql import (
    ArgumentNode,
    DocumentNode,
    ExecutionResult,
    FieldNode,
    GraphQLError,
    NameNode,
    OperationDefinitionNode,
    SelectionSetNode,
    StringValueNode,
    execute,
)

from fhirserver.interactions.context import Context
from fhirserver.interactions.graphql.flatten import flattened
from fhirserver.interactions.graphql.language import (
    chosen_operation,
    fragments_of,
    read_query,
    require_valid,
)
from fhirserver.interactions.graphql.schema import schema_of
from fhirserver.interactions.graphql.session import Session
from fhirserver.kernel.errors import FhirError
from fhirserver.kernel.outcome import outcome_of
from fhirserver.kernel.resource import Json

MAX_ERRORS: Final = 100  # errors of one answer

_ROOT: Final = "resource"


@dataclass(frozen=True, slots=True)
class Asked:
    """A GraphQL request."""

    query: str
    variables: Mapping[str, Any]
    operation_name: str | None = None


async def run(context: Context, asked: Asked, resource_type: str = "", id_: str = "") -> Json:
    """Return the GraphQL answer (data, errors) of a query on everything, or on one resource.

    What a field cannot answer stands under errors. Raises `BadRequest` for a query that is not one,
    `TooCostly` beyond a bound, `NotFound` and `Gone` for the one resource.
    """
    document = read_query(asked.query)
    operation = chosen_operation(document, asked.operation_name)
    if id_:
        operation = _about(operation, resource_type, id_)
    document = _with(document, operation)
    # Building the schema takes half a second, once; others shall not wait meanwhile.
    schema = await asyncio.to_thread(schema_of, context.definitions)
    require_valid(schema, document, operation)
    result: ExecutionResult | FhirError
    async with asyncio.TaskGroup() as tasks:
        session = Session(context, tasks)
        try:
            if id_:
                # Whether the resource is there is the answer's status, not one of its errors.
                await session.read(resource_type, id_)
            result = await _executed(schema, document, session, asked)
        except FhirError as error:
            # Raised in here, the group would wrap it up.
            result = error
    if session.budget.refusal is not None:
        raise session.budget.refusal
    if isinstance(result, FhirError):
        raise result
    return _answer(result, document, operation, is_instance=bool(id_))


async def _executed(
    schema: Any, document: DocumentNode, session: Session, asked: Asked
) -> ExecutionResult:
    result = execute(
        schema,
        document,
        context_value=session,
        variable_values=dict(asked.variables),
        operation_name=asked.operation_name,
        hide_suggestions=True,
        abort_signal=session.budget.signal,
    )
    try:
        return result if isinstance(result, ExecutionResult) else await result
    except Exception:
        if session.budget.refusal is not None:
            raise session.budget.refusal from None
        raise


def _answer(
    result: ExecutionResult,
    document: DocumentNode,
    operation: OperationDefinitionNode,
    *,
    is_instance: bool,
) -> Json:
    data = flattened(result.data, operation.selection_set, fragments_of(document))
    if is_instance and isinstance(data, dict):
        data = data.get(_ROOT)
    answer: Json = {"data": data}
    if result.errors:
        start = 1 if is_instance else 0
        answer["errors"] = [_error(one, start) for one in result.errors[:MAX_ERRORS]]
    return answer


def _error(error: GraphQLError, start: int) -> Json:
    """Return an error as GraphQL has it, with the OperationOutcome of ours in its extensions."""
    cause = error.original_error
    is_refusal = isinstance(cause, FhirError) and cause.status < 500
    if cause is not None and not is_refusal and not isinstance(cause, GraphQLError):
        # Our own fault: the door answers as it does everywhere, and tells the operator.
        raise cause
    told: Json = {"message": cause.message if isinstance(cause, FhirError) else error.message}
    if error.path:
        told["path"] = error.path[start:]
    if error.locations:
        told["locations"] = [{"line": one.line, "column": one.column} for one in error.locations]
    if isinstance(cause, FhirError):
        told["extensions"] = {"resource": outcome_of(cause)}
    return told


def _about(
    operation: OperationDefinitionNode, resource_type: str, id_: str
) -> OperationDefinitionNode:
    """Return `operation` as if it asked for the resource of that type and id."""
    field = FieldNode(
        alias=NameNode(value=_ROOT),
        name=NameNode(value=resource_type),
        arguments=(ArgumentNode(name=NameNode(value="id"), value=StringValueNode(value=id_)),),
        directives=(),
        selection_set=operation.selection_set,
    )
    return OperationDefinitionNode(
        operation=operation.operation,
        name=operation.name,
        variable_definitions=operation.variable_definitions,
        directives=operation.directives,
        selection_set=SelectionSetNode(selections=(field,)),
    )


def _with(document: DocumentNode, operation: OperationDefinitionNode) -> DocumentNode:
    """Return the query with `operation` as its only operation."""
    fragments = fragments_of(document).values()
    return DocumentNode(definitions=(operation, *fragments))
