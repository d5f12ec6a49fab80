"""Pages of other origins may call the FHIR API, as browser apps (SMART) do.

No cookie or other ambient credential opens anything here: a caller needs a bearer token, which the
page must already have. So any origin may ask, and credentials mode is never allowed.

Spec: https://fetch.spec.whatwg.org/#http-cors-protocol
"""

from collections.abc import Callable, Sequence
from typing import Final

Header = tuple[bytes, bytes]

_METHODS: Final = b"GET, HEAD, POST, PUT, PATCH, DELETE"
_REQUEST_HEADERS: Final = (
    b"Authorization, Content-Type, Accept, Prefer, If-Match, If-None-Match, If-None-Exist, "
    b"If-Modified-Since, X-Request-Id"
)
_EXPOSED: Final = (
    b"Location, Content-Location, ETag, Last-Modified, X-Request-Id, X-Progress, Retry-After"
)
_MAX_AGE: Final = b"600"

ANY: Final = "*"
# What nobody needs to be known for: apps of any origin read it before they begin.
_PUBLIC: Final = ("/fhir/.well-known/", "/.well-known/", "/fhir/metadata", "/auth/jwks")
# What pages of apps call beside the FHIR API itself.
_SHARED: Final = ("/auth/token", "/auth/revoke", "/auth/introspect", "/auth/register")


def _none() -> frozenset[bytes]:
    return frozenset()


class Origins:
    """Which origins may read answers."""

    def __init__(
        self, allowed: Sequence[str], registered: Callable[[], frozenset[bytes]] = _none
    ) -> None:
        """`allowed` are origins (``https://app.example.org``), ``*`` for any; none switches it off.

        `registered` returns those of the clients of the authorization server, which may read too.
        """
        self._any = ANY in allowed
        self._allowed = frozenset(one.rstrip("/").encode() for one in allowed)
        self._registered = registered

    def answer(self, origin: bytes) -> list[Header]:
        """Return what an answer to a page of `origin` carries, nothing when it may not read it."""
        if not self._may(origin):
            return []
        return [
            (b"access-control-allow-origin", b"*" if self._any else origin),
            (b"access-control-expose-headers", _EXPOSED),
        ]

    def preflight(self, origin: bytes) -> list[Header]:
        """Return what `answer` lacks for a browser that asks whether it may send a request."""
        if not self._may(origin):
            return []
        return [
            (b"access-control-allow-methods", _METHODS),
            (b"access-control-allow-headers", _REQUEST_HEADERS),
            (b"access-control-max-age", _MAX_AGE),
        ]

    def _may(self, origin: bytes) -> bool:
        return self._any or origin in self._allowed or origin in self._registered()


_EVERYBODY: Final = Origins((ANY,))


def origins_at(path: str, allowed: Origins) -> Origins | None:
    """Return whose pages may call `path`: everybody's, those of the `allowed` origins, or nobody's (None)."""
    if path.startswith(_PUBLIC):
        return _EVERYBODY
    is_shared = path.startswith("/fhir/") or path == "/fhir" or path in _SHARED
    return allowed if is_shared else None
