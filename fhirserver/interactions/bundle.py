"""The entries of a batch or transaction, read and put in the order they are processed. Pure.

Spec: https://hl7.org/fhir/R4/http.html#transaction, https://hl7.org/fhir/R4/http.html#trules
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import parse_qsl

from fhirserver.kernel.errors import BadRequest, FhirError, Problem, TooLarge
from fhirserver.kernel.resource import Json

MAX_ENTRIES: Final = 10_000
_MAX_URL: Final = 16 * 1024
_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE")
_ORDER: Final = {"DELETE": 0, "POST": 1, "PUT": 2, "PATCH": 2, "GET": 3, "HEAD": 3}
_CONDITIONS: Final = ("ifNoneMatch", "ifModifiedSince", "ifMatch", "ifNoneExist")
_ETAG: Final = re.compile(r'(?:W/)?"([1-9][0-9]{0,8})"')

Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One request of a bundle. `path` is its URL below the base without query, `query` what follows the question mark.

    `resource` is None without one, `full_url` "" without one. `conditions` are ifMatch and its like, as given.
    """

    index: int
    method: Method
    path: str
    query: str
    resource: Json | None
    full_url: str
    conditions: dict[str, str]

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The decoded parameters of the query."""
        return pairs_of(self.query)

    @property
    def place(self) -> str:
        """Where the entry is in its bundle, as FHIRPath."""
        return f"Bundle.entry[{self.index}]"

    @property
    def if_match(self) -> int | None:
        """The version that must be the current one. Raises `BadRequest` for a value that is none."""
        text = self.conditions.get("ifMatch")
        if text is None:
            return None
        found = _ETAG.fullmatch(text.strip())
        if found is None:
            message = 'ifMatch takes one version id, as in: W/"3".'
            raise BadRequest(message, expression=f"{self.place}.request.ifMatch")
        return int(found[1])


def kind_of(bundle: Json) -> Literal["batch", "transaction"]:
    """Return which of the two `bundle` is. Raises `BadRequest` for anything else."""
    if bundle.get("resourceType") != "Bundle":
        raise BadRequest("The base URL takes a Bundle.", expression="resourceType")
    kind = bundle.get("type")
    if kind == "batch":
        return "batch"
    if kind == "transaction":
        return "transaction"
    raise BadRequest("The Bundle must be a batch or a transaction.", expression="Bundle.type")


def entries_of(bundle: Json) -> list[Json]:
    """Return the entries as given. Raises `BadRequest`, `TooLarge`."""
    entries = bundle.get("entry", [])
    if not isinstance(entries, list):
        raise BadRequest("Bundle.entry is a list.", expression="Bundle.entry")
    if len(entries) > MAX_ENTRIES:
        raise TooLarge(f"A Bundle may have {MAX_ENTRIES} entries.")
    return entries


def read_entry(index: int, given: Any, base: str) -> Entry:
    """Return one entry; URLs may be below `base` or relative to it. Raises `BadRequest`."""
    place = f"Bundle.entry[{index}]"
    if not isinstance(given, dict):
        raise BadRequest("An entry is a JSON object.", expression=place)
    request = given.get("request")
    if not isinstance(request, dict):
        raise BadRequest("The entry has no request.", expression=f"{place}.request")
    method, url = request.get("method"), request.get("url")
    if method not in _METHODS:
        message = f"method is one of {', '.join(_METHODS)}."
        raise BadRequest(message, expression=f"{place}.request.method")
    if not isinstance(url, str) or not url or len(url) > _MAX_URL:
        raise BadRequest("The request has no usable url.", expression=f"{place}.request.url")
    resource = given.get("resource")
    if resource is not None and not isinstance(resource, dict):
        raise BadRequest("A resource is a JSON object.", expression=f"{place}.resource")
    if method in ("PUT", "PATCH") and resource is None:
        raise BadRequest(f"{method} needs a resource.", expression=f"{place}.resource")
    full_url = given.get("fullUrl", "")
    if not isinstance(full_url, str):
        raise BadRequest("fullUrl is a string.", expression=f"{place}.fullUrl")
    conditions = {name: request[name] for name in _CONDITIONS if name in request}
    if not all(isinstance(value, str) for value in conditions.values()):
        raise BadRequest("Conditions are strings.", expression=f"{place}.request")
    path, _, query = _below(url, base).partition("?")
    return Entry(index, method, path, query, resource, full_url, conditions)


def in_order(entries: Iterable[Entry]) -> list[Entry]:
    """Return `entries` as a transaction processes them: deletes, creates, updates and patches, reads."""
    return sorted(entries, key=lambda entry: (_ORDER[entry.method], entry.index))


def require_distinct(entries: Sequence[Entry]) -> None:
    """Raise `BadRequest` when two entries have the same fullUrl or write the same resource or condition."""
    urls: set[str] = set()
    written: set[str] = set()
    for entry in entries:
        if entry.full_url and entry.method in ("POST", "PUT"):
            if entry.full_url in urls:
                message = "Two entries have the same fullUrl."
                raise BadRequest(message, expression=f"{entry.place}.fullUrl")
            urls.add(entry.full_url)
        target = _written(entry)
        if target is not None:
            if target in written:
                message = "Two entries of a transaction write the same resource."
                raise BadRequest(message, expression=f"{entry.place}.request.url")
            written.add(target)


def pairs_of(query: str) -> list[tuple[str, str]]:
    """Return the decoded parameters of a query string. Raises `BadRequest`."""
    try:
        return parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=1000)
    except ValueError:
        raise BadRequest("The parameters of the url cannot be read.") from None


def at_entry(error: FhirError, place: str) -> FhirError:
    """Return `error` with its problems located in the entry at `place`."""
    problems = [
        Problem(one.severity, one.code, _joined(place, one.expression), one.message)
        for one in error.problems
    ]
    return type(error)(error.message, problems=problems)


def _joined(place: str, expression: str) -> str:
    if expression.startswith("Bundle.entry["):
        return expression
    if expression == "resourceType" or expression[:1].isupper():
        inside = expression.partition(".")[2] if expression[:1].isupper() else expression
        return f"{place}.resource.{inside}" if inside else f"{place}.resource"
    return place


def _written(entry: Entry) -> str | None:
    if entry.method in ("PUT", "PATCH", "DELETE"):
        return f"{entry.path}?{'&'.join(sorted(entry.query.split('&')))}"
    if entry.method == "POST" and entry.conditions.get("ifNoneExist"):
        return f"new {entry.path}?{'&'.join(sorted(entry.conditions['ifNoneExist'].split('&')))}"
    return None


def _below(url: str, base: str) -> str:
    if url.startswith(base + "/"):
        url = url[len(base) :]
    return url.removeprefix("/")
