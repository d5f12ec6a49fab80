"""Every operation of the server, one file each, listed in one tuple.

Spec: https://hl7.org/fhir/R4/operationslist.html
"""

from typing import Final

from fhirserver.interactions.operation import Operation
from fhirserver.interactions.operations.convert import CONVERT
from fhirserver.interactions.operations.dead_letters import DEAD_LETTERS
from fhirserver.interactions.operations.diff import DIFF
from fhirserver.interactions.operations.enroll import ENROLL
from fhirserver.interactions.operations.everything import EVERYTHING
from fhirserver.interactions.operations.expand import EXPAND
from fhirserver.interactions.operations.expunge import EXPUNGE
from fhirserver.interactions.operations.graphql import GRAPHQL
from fhirserver.interactions.operations.issue_token import ISSUE_TOKEN
from fhirserver.interactions.operations.job import JOB, JOBS
from fhirserver.interactions.operations.lastn import LASTN
from fhirserver.interactions.operations.lookup import LOOKUP
from fhirserver.interactions.operations.meta import META, META_ADD, META_DELETE
from fhirserver.interactions.operations.reindex import INDEX_STATUS, REINDEX
from fhirserver.interactions.operations.retention import (
    APPLY_RETENTION,
    RETENTION,
    SET_RETENTION,
)
from fhirserver.interactions.operations.subsumes import SUBSUMES
from fhirserver.interactions.operations.translate import TRANSLATE
from fhirserver.interactions.operations.validate import VALIDATE
from fhirserver.interactions.operations.validate_code import VALIDATE_CODE

OPERATIONS: Final[tuple[Operation, ...]] = (
    APPLY_RETENTION,
    CONVERT,
    DEAD_LETTERS,
    DIFF,
    ENROLL,
    EVERYTHING,
    EXPAND,
    EXPUNGE,
    GRAPHQL,
    INDEX_STATUS,
    ISSUE_TOKEN,
    JOB,
    JOBS,
    LASTN,
    LOOKUP,
    META,
    META_ADD,
    META_DELETE,
    REINDEX,
    RETENTION,
    SET_RETENTION,
    SUBSUMES,
    TRANSLATE,
    VALIDATE,
    VALIDATE_CODE,
)
