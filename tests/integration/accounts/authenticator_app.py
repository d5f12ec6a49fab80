"""An authenticator app beside the browser: added on its page, and the codes it shows."""

import base64
import re

from fhirserver.accounts import totp
from tests.integration.accounts.conftest import Browser, House


async def enrol(house: House, browser: Browser) -> bytes:
    """Add an authenticator app; return its key."""
    page = await browser.open("/auth/totp")
    key = base64.b32decode(
        "".join(re.findall(r"\b[A-Z2-7]{4}\b", page.text.partition("Key")[2])[:8])
    )
    page = await browser.send("/auth/totp", code=code_of(house, key))
    assert "Recovery codes" in page.text
    return key


def code_of(house: House, key: bytes, later: int = 0) -> str:
    return totp.code_of(key, int(house.time().timestamp()) // totp.STEP_SECONDS + later)
