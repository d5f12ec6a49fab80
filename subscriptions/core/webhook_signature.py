"""X-Twilio-Signature: the proof that a webhook comes from the telephone company.

https://www.twilio.com/docs/usage/security#validating-requests: HMAC-SHA1 under the account's token
over the full public URL and, sorted by name, each parameter's name followed by its value; base64.
Two tokens may be valid at once, so that the token can be changed without losing a message.
"""

import base64
import hmac
from collections.abc import Iterable, Sequence


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
        expected = signature(token, url, parameters)
        genuine |= hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode())
    return genuine
