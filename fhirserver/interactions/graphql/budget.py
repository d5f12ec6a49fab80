"""What one GraphQL request may cost. Beyond it the whole request is refused.

Spec: https://spec.graphql.org/, https://hl7.org/fhir/R4/graphql.html
"""

from typing import Final

from graphql import AbortController

from fhirserver.kernel.errors import TooCostly

MAX_TEXT: Final = 50_000  # characters of a query
MAX_TOKENS: Final = 2_000  # tokens of a query
MAX_NESTING: Final = 30  # brackets in one another, as written
MAX_DEPTH: Final = 20  # fields in one another, fragments written out
MAX_FIELDS: Final = 1_000  # fields of a query, fragments written out
MAX_SEARCHES: Final = 100  # searches of one request
MAX_RESOURCES: Final = 2_000  # resources read by one request
MAX_BYTES: Final = 32 * 1024 * 1024  # of these resources together
MAX_VALUES: Final = 50_000  # values of an answer


class Budget:
    """Counts what a request has used, and ends it when that is too much."""

    def __init__(self) -> None:
        self._abort = AbortController()
        self.signal = self._abort.signal
        self.refusal: TooCostly | None = None
        self._searches = self._resources = self._bytes = self._values = 0

    def search(self) -> None:
        """Note one search. Raises `TooCostly`."""
        self._searches += 1
        if self._searches > MAX_SEARCHES:
            raise self._refuse(f"This takes more than {MAX_SEARCHES} searches.")

    def resource(self, size: int) -> None:
        """Note one resource of `size` bytes. Raises `TooCostly`."""
        self._resources += 1
        self._bytes += size
        if self._resources > MAX_RESOURCES or self._bytes > MAX_BYTES:
            raise self._refuse(
                f"This takes more than {MAX_RESOURCES} resources or {MAX_BYTES} bytes of them."
            )

    def value(self) -> None:
        """Note one value of the answer. Raises `TooCostly`."""
        self._values += 1
        if self._values > MAX_VALUES:
            raise self._refuse(f"The answer has more than {MAX_VALUES} values.")

    def _refuse(self, message: str) -> TooCostly:
        if self.refusal is None:
            self.refusal = TooCostly(f"{message} Ask for less: _count, fewer fields, less depth.")
            self._abort.abort(self.refusal)
        return self.refusal
