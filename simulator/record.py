"""A small FHIR R4 client: exactly the interactions an administrator's script needs.

https://hl7.org/fhir/R4/http.html
"""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlencode

import httpx
import orjson

Json = dict[str, Any]
FHIR_JSON = "application/fhir+json"
_TOO_MANY = 429


class RecordError(RuntimeError):
    """The server refused a request; the message holds its status and what its outcome says."""

    def __init__(self, request: str, answer: httpx.Response) -> None:
        self.status = answer.status_code
        super().__init__(f"{request}: {answer.status_code} {_reason(answer)}")


def _reason(answer: httpx.Response) -> str:
    try:
        issues = answer.json()["issue"]
        return "; ".join(
            " ".join(
                str(part)
                for part in (
                    issue.get("diagnostics") or issue.get("details", {}).get("text", ""),
                    *issue.get("expression", ()),
                )
            )
            for issue in issues
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return answer.text[:200]


def without_meta(resource: Json) -> Json:
    """Return `resource` without what the server writes into `meta`."""
    return {name: value for name, value in resource.items() if name != "meta"}


def _values(path: str, answer: httpx.Response) -> dict[str, Any]:
    if not answer.is_success:
        raise RecordError(f"operation {path}", answer)
    found: dict[str, Any] = {}
    for parameter in orjson.loads(answer.content).get("parameter", []):
        for name, value in parameter.items():
            if name.startswith("value"):
                found[parameter["name"]] = value
    return found


class Record:
    """One FHIR base as seen by the holder of a bearer token."""

    def __init__(self, http: httpx.AsyncClient, base: str, token: str) -> None:
        self.base = base.rstrip("/")
        self._http = http
        self.token = token
        self._headers = {"Authorization": f"Bearer {token}", "Accept": FHIR_JSON}

    async def _ask(
        self, method: str, path: str, body: Json | None = None, headers: Json | None = None
    ) -> httpx.Response:
        more = {"Content-Type": FHIR_JSON} if body is not None else {}
        while True:
            answer = await self._http.request(
                method,
                f"{self.base}/{path}",
                content=None if body is None else orjson.dumps(body),
                headers=self._headers | more | (headers or {}),
            )
            wait = answer.headers.get("Retry-After", "")
            if answer.status_code != _TOO_MANY or not wait.isdigit():
                return answer
            # Nothing was done: whoever enrols thousands of homes is asked to be slower.
            await asyncio.sleep(int(wait))

    async def read(self, reference: str) -> Json | None:
        """Return the resource, None when there is none (or no longer)."""
        answer = await self._ask("GET", reference)
        if answer.status_code in (404, 410):
            return None
        if not answer.is_success:
            raise RecordError(f"read {reference}", answer)
        found: Json = orjson.loads(answer.content)
        return found

    async def ensure(self, resource: Json) -> Json:
        """Make the record hold `resource` under its own id; writes nothing when it already does."""
        reference = f"{resource['resourceType']}/{resource['id']}"
        known = await self.read(reference)
        if known is not None and without_meta(known) == without_meta(resource):
            return known
        match = {} if known is None else {"If-Match": f'W/"{known["meta"]["versionId"]}"'}
        answer = await self._ask("PUT", reference, resource, match)
        if not answer.is_success:
            raise RecordError(f"put {reference}", answer)
        written: Json = orjson.loads(answer.content) if answer.content else resource
        return written

    async def search(self, kind: str, params: Mapping[str, str]) -> list[Json]:
        """Return the matches of the first page of `kind` by `params`."""
        query = urlencode(params)
        answer = await self._ask("GET", f"{kind}?{query}")
        if not answer.is_success:
            raise RecordError(f"search {kind}?{query}", answer)
        entries = orjson.loads(answer.content).get("entry", [])
        return [
            entry["resource"]
            for entry in entries
            if entry.get("search", {}).get("mode", "match") == "match"
        ]

    async def operate(self, path: str, *parameters: Json) -> dict[str, Any]:
        """Call an operation; return its answer's parameters by name, each its value."""
        body: Json = {"resourceType": "Parameters"}
        if parameters:
            body["parameter"] = list(parameters)
        return _values(path, await self._ask("POST", path, body))

    async def ask(self, path: str) -> dict[str, Any]:
        """Call an operation that changes nothing; return its answer as `operate` does."""
        return _values(path, await self._ask("GET", path))

    async def write_together(self, resources: Iterable[Json]) -> None:
        """Put every resource under its own id, all or none."""
        entries = [
            {
                "resource": resource,
                "request": {
                    "method": "PUT",
                    "url": f"{resource['resourceType']}/{resource['id']}",
                },
            }
            for resource in resources
        ]
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
        answer = await self._ask("POST", "", bundle, {"Prefer": "return=minimal"})
        if not answer.is_success:
            raise RecordError(f"transaction of {len(entries)}", answer)

    async def enroll(self, device: str, behind: Iterable[str] = ()) -> dict[str, str]:
        """Return fresh broker credentials of `Device/{device}`, a gateway of those `behind` it."""
        spoken_for = [{"name": "behind", "valueString": f"Device/{one}"} for one in behind]
        return await self.operate(f"Device/{device}/$enroll", *spoken_for)

    async def issue_token(self, kind: str, reference: str, lifetime_s: int) -> str:
        """Return a bearer token that acts as `reference`."""
        answer = await self.operate(
            "$issue-token",
            {"name": "kind", "valueCode": kind},
            {"name": "reference", "valueString": reference},
            {"name": "lifetime", "valuePositiveInt": lifetime_s},
        )
        return str(answer["token"])
