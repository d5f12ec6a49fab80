"""Is the process alive, and can it serve? Asked by supervisors and load balancers, without a token.

The answers name parts and say yes or no, nothing about data or versions.

Spec: https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/
"""

from collections.abc import Awaitable, Callable, Mapping

from fastapi import APIRouter
from fastapi.responses import JSONResponse

Readiness = Callable[[], Awaitable[Mapping[str, bool]]]


def health(readiness: Readiness) -> APIRouter:
    """Return ``/health/live`` (200) and ``/health/ready`` (503 until every part is)."""
    router = APIRouter(prefix="/health", tags=["health"])

    @router.get("/live")
    async def live() -> JSONResponse:
        """Whether the process answers."""
        return JSONResponse({"status": "live"})

    @router.get("/ready")
    async def ready() -> JSONResponse:
        """Whether every part the server needs is there."""
        parts = dict(await readiness())
        is_ready = all(parts.values())
        return JSONResponse(
            {"status": "ready" if is_ready else "not ready", "parts": parts},
            status_code=200 if is_ready else 503,
        )

    return router
