"""The closed vocabulary of refusals.

Every refusal a caller can meet is one of these classes. Each carries the FHIR issue code
(https://hl7.org/fhir/R4/valueset-issue-type.html) and the HTTP status it is rendered with; rendering happens in
one place (`fhirserver.kernel.outcome`, `fhirserver.rest`). Anything else that escapes is our own fault: the
caller gets a plain 500 outcome without details, the operator gets the cause.

    FhirError
    ├── Malformed            400 structure   the bytes are not what they claim to be
    ├── BadRequest           400 invalid     the request cannot be understood (unknown parameter, bad value)
    ├── Unauthenticated      401 login       no or unusable credentials
    ├── Forbidden            403 forbidden   known caller, not allowed
    ├── NotFound             404 not-found   not there, or not visible to this caller: indistinguishable on purpose
    ├── MethodNotAllowed     405 not-supported
    ├── NotAcceptable        406 not-supported
    ├── Conflict             409 conflict    lost against a concurrent change
    ├── Gone                 410 deleted
    ├── PreconditionFailed   412 conflict    If-Match / If-None-Exist not met
    ├── TooLarge             413 too-long
    ├── UnsupportedMediaType 415 not-supported
    ├── Unprocessable        422 processing  valid request, resource refused (carries every problem)
    ├── TooCostly            422 too-costly  more work than one request may take; narrow it
    ├── TooManyRequests      429 throttled
    └── Unavailable          503 transient   try again; nothing was stored
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

Severity = Literal["fatal", "error", "warning", "information"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, located.

    `code` is a FHIR issue type, `expression` a FHIRPath location such as ``Observation.component[1].code``
    (empty where the problem is the request as a whole).
    """

    severity: Severity
    code: str
    expression: str
    message: str


class FhirError(Exception):
    """A refusal the caller is told about: `problems` is never empty and never names PHI or internals."""

    status: ClassVar[int] = 500
    code: ClassVar[str] = "exception"

    def __init__(
        self, message: str, *, problems: Sequence[Problem] = (), expression: str = ""
    ) -> None:
        """Carry `message`, or the whole list of `problems` when several were found at once."""
        super().__init__(message)
        self.message = message
        self.problems: tuple[Problem, ...] = tuple(problems) or (
            Problem("error", self.code, expression, message),
        )


class Malformed(FhirError):
    """The bytes are not what they claim to be."""

    status = 400
    code = "structure"


class BadRequest(FhirError):
    """The request cannot be understood: unknown parameter, malformed value."""

    status = 400
    code = "invalid"


class Unauthenticated(FhirError):
    """No credentials, or unusable ones."""

    status = 401
    code = "login"


class Forbidden(FhirError):
    """A known caller who may not do this."""

    status = 403
    code = "forbidden"


class NotFound(FhirError):
    """Not there, or not visible to this caller; the two are indistinguishable on purpose."""

    status = 404
    code = "not-found"


class MethodNotAllowed(FhirError):
    """The interaction does not exist here."""

    status = 405
    code = "not-supported"


class NotAcceptable(FhirError):
    """No representation the caller accepts."""

    status = 406
    code = "not-supported"


class Conflict(FhirError):
    """Lost against a concurrent change."""

    status = 409
    code = "conflict"


class Gone(FhirError):
    """It was there and has been deleted."""

    status = 410
    code = "deleted"


class PreconditionFailed(FhirError):
    """If-Match or If-None-Exist is not met."""

    status = 412
    code = "conflict"


class TooLarge(FhirError):
    """The body exceeds the bound."""

    status = 413
    code = "too-long"


class UnsupportedMediaType(FhirError):
    """The body is of a type we do not read."""

    status = 415
    code = "not-supported"


class Unprocessable(FhirError):
    """A well-formed request whose resource is refused."""

    status = 422
    code = "processing"


class TooCostly(FhirError):
    """A valid request whose answer would take more work than one request may."""

    status = 422
    code = "too-costly"


class TooManyRequests(FhirError):
    """The caller is over its rate; `retry_after` is how many seconds to wait."""

    status = 429
    code = "throttled"

    def __init__(self, message: str, *, retry_after: int = 1) -> None:
        """Carry `message` and the seconds after which a request would be taken."""
        super().__init__(message)
        self.retry_after = retry_after


class Unavailable(FhirError):
    """A part we need is away; nothing was stored, try again."""

    status = 503
    code = "transient"
