"""Every operation of the server, one file each, listed in one tuple.

Spec: https://hl7.org/fhir/R4/operationslist.html
"""

from typing import Final

from fhirserver.interactions.operation import Operation
from fhirserver.interactions.operations.break_glass import (
    BREAK_GLASS,
    EMERGENCY_ACCESSES,
    END_BREAK_GLASS,
    REVIEW_EMERGENCY_ACCESS,
)
from fhirserver.interactions.operations.convert import CONVERT
from fhirserver.interactions.operations.dead_letters import DEAD_LETTERS
from fhirserver.interactions.operations.diff import DIFF
from fhirserver.interactions.operations.enroll import ENROLL
from fhirserver.interactions.operations.everything import EVERYTHING
from fhirserver.interactions.operations.expand import EXPAND
from fhirserver.interactions.operations.expunge import EXPUNGE
from fhirserver.interactions.operations.graphql import GRAPHQL
from fhirserver.interactions.operations.guardians import (
    APPOINT_GUARDIAN,
    END_GUARDIAN,
    GUARDIANS,
    KEEP_GUARDIAN,
)
from fhirserver.interactions.operations.invitations import (
    ACCEPT_INVITATION,
    INVITATIONS,
    INVITE,
    WITHDRAW_INVITATION,
)
from fhirserver.interactions.operations.issue_token import ISSUE_TOKEN
from fhirserver.interactions.operations.job import JOB, JOBS
from fhirserver.interactions.operations.keys import REKEY, ROTATE_KEY, SHRED
from fhirserver.interactions.operations.lastn import LASTN
from fhirserver.interactions.operations.lookup import LOOKUP
from fhirserver.interactions.operations.meta import META, META_ADD, META_DELETE
from fhirserver.interactions.operations.reindex import INDEX_STATUS, REINDEX
from fhirserver.interactions.operations.retention import (
    APPLY_RETENTION,
    RETENTION,
    SET_RETENTION,
)
from fhirserver.interactions.operations.revoke_device import REVOKE_DEVICE
from fhirserver.interactions.operations.subsumes import SUBSUMES
from fhirserver.interactions.operations.team_members import END_SUPPORT, REMOVE_MEMBER, ROSTER
from fhirserver.interactions.operations.translate import TRANSLATE
from fhirserver.interactions.operations.validate import VALIDATE
from fhirserver.interactions.operations.validate_code import VALIDATE_CODE
from fhirserver.interactions.operations.why_access import WHY_ACCESS

OPERATIONS: Final[tuple[Operation, ...]] = (
    ACCEPT_INVITATION,
    APPLY_RETENTION,
    APPOINT_GUARDIAN,
    BREAK_GLASS,
    CONVERT,
    DEAD_LETTERS,
    DIFF,
    EMERGENCY_ACCESSES,
    END_BREAK_GLASS,
    END_GUARDIAN,
    END_SUPPORT,
    ENROLL,
    EVERYTHING,
    EXPAND,
    EXPUNGE,
    GRAPHQL,
    GUARDIANS,
    INDEX_STATUS,
    INVITATIONS,
    INVITE,
    ISSUE_TOKEN,
    JOB,
    JOBS,
    KEEP_GUARDIAN,
    LASTN,
    LOOKUP,
    META,
    META_ADD,
    META_DELETE,
    REINDEX,
    REKEY,
    REMOVE_MEMBER,
    RETENTION,
    REVIEW_EMERGENCY_ACCESS,
    REVOKE_DEVICE,
    ROSTER,
    ROTATE_KEY,
    SET_RETENTION,
    SHRED,
    SUBSUMES,
    TRANSLATE,
    VALIDATE,
    VALIDATE_CODE,
    WHY_ACCESS,
    WITHDRAW_INVITATION,
)
