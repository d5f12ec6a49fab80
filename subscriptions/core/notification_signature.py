"""How a receiver can tell that a POST is ours and that nobody changed it.

With a channel secret every POST is signed twice, in the two forms receivers already know:

- ``X-Hub-Signature-256`` (https://www.w3.org/TR/websub/#signing-content): HMAC-SHA256 of the body.
- Standard Webhooks (https://www.standardwebhooks.com): HMAC-SHA256 over message id, time and body,
  so that an old POST cannot be sent again by somebody else.

The key is the secret's text in UTF-8.
"""

import base64
import hmac
from datetime import datetime


def signature_headers(
    secret: str, message_id: str, at: datetime, body: bytes
) -> list[tuple[str, str]]:
    """Return the four headers that prove `body`; `message_id` holds no full stop."""
    key = secret.encode()
    seconds = str(int(at.timestamp()))
    signed = f"{message_id}.{seconds}.".encode() + body
    return [
        ("X-Hub-Signature-256", "sha256=" + hmac.digest(key, body, "sha256").hex()),
        ("webhook-id", message_id),
        ("webhook-timestamp", seconds),
        (
            "webhook-signature",
            "v1," + base64.b64encode(hmac.digest(key, signed, "sha256")).decode(),
        ),
    ]
