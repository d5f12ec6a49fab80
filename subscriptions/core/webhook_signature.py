"""X-Twilio-Signature: the proof that a webhook comes from the telephone company.

https://www.twilio.com/docs/usage/security#validating-requests: HMAC-SHA1 under the account's token
over the full public URL and, sorted by name, each parameter's name followed by its value; base64.
Two tokens may be valid at once, so that the token can be changed without losing a message. The URL is
the one the company called, not the one a proxy passed on, and companies disagree on whether it names
the standard port.
"""

import base64
import hmac
from collections.abc import Iterable, Sequence
from typing import Final
from urllib.parse import urlsplit, urlunsplit

_STANDARD_PORTS: Final = {"https": 443, "http": 80}


def signature(token: str, url: str, parameters: Iterable[tuple[str, str]]) -> str:
    """Return the signature of a form POST to `url`; repeated names are sorted by value too."""
    text = url + "".join(name + value for name, value in sorted(set(parameters)))
    return base64.b64encode(hmac.digest(token.encode(), text.encode(), "sha1")).decode()


def is_genuine(
    given: str, tokens: Sequence[str], url: str, parameters: Sequence[tuple[str, str]]
) -> bool:
    """Return whether `given` was made with one of `tokens`; takes as long for every wrong one."""
    genuine = False
    for token in tokens:
        for spelled in _spellings(url):
            expected = signature(token, spelled, parameters)
            genuine |= hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())
    return genuine


def _spellings(url: str) -> tuple[str, ...]:
    """Return `url` as it stands and with its scheme's port left out or spelled out."""
    parts = urlsplit(url)
    standard = _STANDARD_PORTS.get(parts.scheme)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    if standard is None or host is None or parts.port not in (None, standard):
        return (url,)
    other = host if parts.port == standard else f"{host}:{standard}"
    return (url, urlunsplit(parts._replace(netloc=other)))
