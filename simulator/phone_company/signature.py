"""X-Twilio-Signature, written from Twilio's description alone.

HMAC-SHA1 with the account's token over the full URL followed by every form field, sorted by name,
name and value run together; base64. https://www.twilio.com/docs/usage/security#validating-requests
"""

import base64
import hmac
from collections.abc import Iterable


def sign(token: str, url: str, fields: Iterable[tuple[str, str]]) -> str:
    """Return the signature of a form POST to `url`."""
    text = url + "".join(name + value for name, value in sorted(set(fields)))
    return base64.b64encode(hmac.digest(token.encode(), text.encode(), "sha1")).decode()
