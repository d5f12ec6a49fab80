"""Where messages go: ``mllps://host:port``. Without TLS only where an operator lets everything go anywhere.

The rules are those of https endpoints; see `subscriptions.core.endpoint`.
"""

from typing import Final
from urllib.parse import urlsplit

from subscriptions.core.endpoint import EndpointPolicy, endpoint_fault

SECURE: Final = "mllps"
PLAIN: Final = "mllp"


def mllp_fault(endpoint: str | None, policy: EndpointPolicy) -> str | None:
    """Return why no message can be sent to `endpoint`, as far as its text says; None when it can."""
    if not endpoint:
        return "this channel needs an endpoint"
    scheme, mark, rest = endpoint.partition("://")
    if scheme not in (SECURE, PLAIN) or not mark:
        return "not an address like mllps://host:2575"
    if scheme == PLAIN and not policy.allow_insecure:
        return "MLLP without TLS is refused; use mllps"
    reason = endpoint_fault(as_url(endpoint), policy)
    if reason is not None:
        return reason
    if urlsplit(as_url(endpoint)).port is None:
        return "MLLP has no port of its own: name one"
    if any(mark in rest for mark in "/?"):
        return "an address of MLLP is a host and a port, nothing else"
    return None


def as_url(endpoint: str) -> str:
    """Return `endpoint` as the URL with the same host, port and security, which addresses are judged by."""
    scheme, _, rest = endpoint.partition("://")
    return f"{'http' if scheme == PLAIN else 'https'}://{rest}"
