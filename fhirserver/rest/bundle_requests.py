"""POST [base]: batches, whose entries are requests of their own, and transactions.

The searches and reads of a transaction are answered right after its writes were committed: they see what was written,
and cannot undo it.

Spec: https://hl7.org/fhir/R4/http.html#transaction
"""

from fhirserver.interactions.bundle import Entry, entries_of, kind_of, read_entry
from fhirserver.interactions.context import Context
from fhirserver.interactions.transaction import Done, transaction
from fhirserver.kernel.errors import BadRequest, FhirError
from fhirserver.kernel.resource import Json
from fhirserver.rest import bundles, replies
from fhirserver.rest.inner import Door, answered
from fhirserver.rest.negotiation import Return
from fhirserver.rest.preferences import preferences
from fhirserver.rest.replies import Reply
from fhirserver.rest.requests import MAX_BUNDLE, Request

_PREFER = b"prefer"


async def post_bundle(request: Request, context: Context) -> Reply:
    """Carry out the Bundle in the body and answer with one of the same shape."""
    request.no_parameters()
    bundle = await request.resource(MAX_BUNDLE)
    assert request.door is not None
    kind = kind_of(bundle)
    # The bundle itself was counted at the door.
    request.door.count(len(entries_of(bundle)) - 1)
    if kind == "batch":
        return await _batch(request, context, request.door, bundle)
    return await _transaction(request, context, request.door, bundle)


async def _batch(request: Request, context: Context, door: Door, bundle: Json) -> Reply:
    answers = []
    for index, given in enumerate(entries_of(bundle)):
        try:
            entry = read_entry(index, given, context.base)
        except FhirError as error:
            answers.append(replies.refusal(error))
        else:
            answers.append(await answered(door, entry, _minimal(request)))
    return bundles.responses("batch-response", answers)


async def _transaction(request: Request, context: Context, door: Door, bundle: Json) -> Reply:
    entries = [
        read_entry(index, given, context.base) for index, given in enumerate(entries_of(bundle))
    ]
    reading = [entry for entry in entries if _is_reading(entry, door)]
    places = {entry.index for entry in reading}
    writing = [entry for entry in entries if entry.index not in places]
    done = await transaction(context, writing) if writing else []
    wish = preferences(request.header(_PREFER)).returns or "minimal"
    answers = {one.entry.index: _answer(one, context.base, wish) for one in done}
    for entry in reading:
        answers[entry.index] = await answered(door, entry, request.header(_PREFER))
    return bundles.responses("transaction-response", [answers[entry.index] for entry in entries])


def _is_reading(entry: Entry, door: Door) -> bool:
    if entry.method == "POST" and not ("$" in entry.path or entry.path.endswith("_search")):
        return False
    if entry.method not in ("GET", "HEAD", "POST"):
        return False
    if not door.is_safe(entry.method, entry.path):
        message = "An operation that changes something cannot be part of a transaction."
        raise BadRequest(message, expression=f"{entry.place}.request.url")
    return True


def _answer(done: Done, base: str, wish: Return) -> Reply:
    if done.entry.method == "DELETE":
        return replies.deleted(done.stored, wish)
    assert done.stored is not None
    reply = replies.written(
        done.stored, created=done.created, base=base, wish=wish, warnings=done.warnings
    )
    if not done.created:
        location = f"{base}/{done.stored.reference}/_history/{done.stored.version}"
        reply.headers.append((b"location", location.encode()))
    return reply


def _minimal(request: Request) -> bytes:
    """Return what the entries of a batch prefer: not to get back what was sent, unless asked for."""
    given = request.header(_PREFER)
    wanted = preferences(given)
    kept = b"handling=lenient" if wanted.is_lenient else b"handling=strict"
    return (given or b"") if wanted.returns is not None else kept + b", return=minimal"
