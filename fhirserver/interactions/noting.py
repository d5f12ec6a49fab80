"""What is noted of a changed relationship, in the transaction that changes it: no change without its AuditEvent."""

from fhirserver.interactions.context import Context
from fhirserver.kernel.audit import Actor, Happening, What
from fhirserver.kernel.ports import Transaction


def note(
    context: Context,
    tx: Transaction,
    what: What,
    patient: str,
    objects: tuple[str, ...] = (),
    *,
    purpose: str = "",
    detail: str = "",
) -> None:
    """Note that the caller did `what` to `objects` (references) in the record of `patient` (an id).

    `purpose` is a code of v3-ActReason; `detail` names nobody.
    """
    access = context.access
    actor = Actor(
        access.principal.reference,
        access.principal.kind,
        client=access.client or "",
        account=access.account or "",
    )
    tx.audit(
        Happening(
            tx.tenant,
            what,
            tx.now,
            actor,
            patients=frozenset({patient}),
            objects=objects,
            purpose=purpose,
            detail=detail,
        )
    )
