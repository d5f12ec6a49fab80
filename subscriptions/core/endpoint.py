"""Whether an https endpoint and its header lines can be used, as far as their text says.

The address behind the name is judged anew at every delivery (`core.address`); here a client that
can never be reached learns so at once. IG: "Endpoint acceptable" among the create-time checks of
https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/components.html.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from subscriptions.core.address import Network, refusal

LONGEST_ENDPOINT: Final = 2048
LARGEST_HEADERS: Final = 8192
# A port below this that is not the web's belongs to something that does not speak HTTP.
_FIRST_FREE_PORT: Final = 1024
_WEB_PORTS: Final = (80, 443)
_HEADER: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[ \t]*[\x20-\x7e\t]*")
# Set by the server, or able to change whom the request is really for or where it ends.
_OWN_HEADERS: Final = frozenset(
    (
        "host",
        "content-type",
        "content-length",
        "content-encoding",
        "transfer-encoding",
        "connection",
        "keep-alive",
        "upgrade",
        "te",
        "trailer",
        "expect",
        "x-hub-signature-256",
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
    )
)


@dataclass(frozen=True, slots=True)
class EndpointPolicy:
    """Where notifications may go.

    `allow_insecure` permits http and every address (development and tests); `networks` are special
    networks the operator has opened, such as the hospital's own: TLS is still required there.
    """

    allow_insecure: bool
    networks: tuple[Network, ...] = ()


def endpoint_fault(endpoint: str | None, policy: EndpointPolicy) -> str | None:
    """Return why `endpoint` cannot be called, as far as its text says; None when it may be."""
    if not endpoint:
        return "this channel needs an endpoint"
    if len(endpoint) > LONGEST_ENDPOINT:
        return f"an endpoint has at most {LONGEST_ENDPOINT} characters"
    if not endpoint.isascii():
        return "not a URL: write letters beyond ASCII as punycode or %-escapes"
    if not endpoint.isprintable() or " " in endpoint or "\\" in endpoint:
        return "not a URL"
    try:
        url = urlsplit(endpoint)
        port = url.port
    except ValueError:
        return "not a URL"
    if url.scheme not in ("https", "http") or not url.hostname or port == 0:
        return "not an https URL"
    if url.username is not None or url.password is not None or url.fragment:
        return "an endpoint must not carry a user, a password or a fragment"
    return None if policy.allow_insecure else _unsafe(url.scheme, url.hostname, port, policy)


def _unsafe(scheme: str, host: str, port: int | None, policy: EndpointPolicy) -> str | None:
    if scheme == "http":
        return "plain http is refused; use https"
    if port is not None and port < _FIRST_FREE_PORT and port not in _WEB_PORTS:
        return f"port {port} is refused"
    name = host.rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return "a loopback address is refused"
    is_address = ":" in name or _looks_like_ipv4(name)
    if is_address and (reason := refusal(name, policy.networks)) is not None:
        return f"this address is refused: {reason}"
    return None


def _looks_like_ipv4(host: str) -> bool:
    """Return whether a resolver would take `host` for a number (``127.1``, ``0x7f000001``)."""
    last = host.rpartition(".")[2]
    return last.isdigit() or last.startswith("0x")


def header_faults(headers: Iterable[str]) -> Iterator[str]:
    """Yield what is wrong with the lines of Subscription.channel.header."""
    size = 0
    for header in headers:
        size += len(header)
        if not _HEADER.fullmatch(header):
            yield "a header must be 'Name: value' in printable ASCII"
        elif _name(header) in _OWN_HEADERS or _name(header).startswith("proxy-"):
            yield f"header {_name(header)!r} is set by the server"
    if size > LARGEST_HEADERS:
        yield f"headers have at most {LARGEST_HEADERS} characters together"


def header_pairs(headers: Iterable[str]) -> list[tuple[str, str]]:
    """Return header lines without faults as names and values, in their order."""
    split = (header.partition(":") for header in headers)
    return [(name.strip(), value.strip()) for name, _, value in split]


def _name(header: str) -> str:
    return header.partition(":")[0].strip().lower()
