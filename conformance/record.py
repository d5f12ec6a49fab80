"""A small FHIR R4 client: put, enrol, and searches read to their last page.

https://hl7.org/fhir/R4/http.html
"""

from collections.abc import AsyncIterator, Mapping
from decimal import Decimal
from typing import Any, Final
from urllib.parse import urlencode, urljoin

import httpx

Json = dict[str, Any]

FHIR_JSON: Final = "application/fhir+json"
MOST_PAGES: Final = 1000


class Refusal(RuntimeError):
    """The server answered with something else than success; the message says with what."""

    def __init__(self, request: str, answer: httpx.Response) -> None:
        self.status = answer.status_code
        super().__init__(f"{request}: {answer.status_code} {answer.text[:500]}")


class Record:
    """One FHIR base as seen by the holder of a bearer token."""

    def __init__(self, http: httpx.AsyncClient, base: str, token: str) -> None:
        self.base = base.rstrip("/") + "/"
        self._http = http
        self._headers = {"Authorization": f"Bearer {token}", "Accept": FHIR_JSON}

    async def put(self, resource: Json) -> None:
        """Write `resource` under its own id; raises `Refusal`."""
        path = f"{resource['resourceType']}/{resource['id']}"
        answer = await self._http.put(
            self.base + path,
            json=resource,
            headers=self._headers | {"Content-Type": FHIR_JSON, "Prefer": "return=minimal"},
        )
        if not answer.is_success:
            raise Refusal(f"PUT {path}", answer)

    async def enroll(self, device: str) -> dict[str, str]:
        """Return fresh broker credentials of Device/`device`: username, password, tenant, device."""
        path = f"Device/{device}/$enroll"
        answer = await self._http.post(self.base + path, headers=self._headers)
        if not answer.is_success:
            raise Refusal(f"POST {path}", answer)
        return {
            one["name"]: one["valueString"]
            for one in answer.json()["parameter"]
            if "valueString" in one
        }

    async def search(self, kind: str, params: Mapping[str, str]) -> AsyncIterator[Json]:
        """Yield every match of `kind` by `params`, following `next` to the end.

        Numbers with a fraction are Decimal. Raises `Refusal`, and ValueError when paging does not
        end or leaves the server asked.
        """
        url = f"{self.base}{kind}?{urlencode(params)}"
        for _ in range(MOST_PAGES):
            answer = await self._http.get(url, headers=self._headers)
            if not answer.is_success:
                raise Refusal(f"GET {url}", answer)
            bundle = answer.json(parse_float=Decimal)
            for entry in bundle.get("entry", ()):
                if entry.get("search", {}).get("mode", "match") == "match":
                    yield entry["resource"]
            following = [one["url"] for one in bundle.get("link", ()) if one["relation"] == "next"]
            if not following:
                return
            url = urljoin(url, following[0])
            if httpx.URL(url).netloc != httpx.URL(self.base).netloc:
                raise ValueError(f"the next page is somewhere else: {url}")
        raise ValueError(f"more than {MOST_PAGES} pages of {kind}")
