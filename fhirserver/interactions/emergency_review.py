"""The Task of who looks at an emergency access afterwards: it changes by the review alone.

Who opened a record in an emergency may write the Tasks of its patient, and would tick this one off as well.

Spec: 45 CFR 164.312(a)(2)(ii), https://hl7.org/fhir/R4/task.html
"""

from typing import Final

from fhirserver.kernel.canonical import TASK_CODES
from fhirserver.kernel.errors import Forbidden
from fhirserver.kernel.resource import Json

REVIEW: Final[Json] = {"system": TASK_CODES, "code": "access-review"}
# What anybody who may write the Task adds to it.
_FREE: Final = frozenset({"meta", "note", "text"})


def require_no_review(task: Json, previous: Json | None) -> None:
    """Raise `Forbidden` for a client's Task that is, or was, the review of an emergency access and says anything new."""
    if not (_is_review(task) or _is_review(previous)):
        return
    before = previous or {}
    if any(task.get(name) != before.get(name) for name in (task.keys() | before.keys()) - _FREE):
        message = (
            "An emergency access is reviewed by $review-emergency-access, which keeps its Task."
        )
        raise Forbidden(message, expression="Task.reasonCode")


def _is_review(task: Json | None) -> bool:
    codings = [] if task is None else task.get("reasonCode", {}).get("coding", [])
    return any(
        (one.get("system"), one.get("code")) == (REVIEW["system"], REVIEW["code"])
        for one in codings
    )
