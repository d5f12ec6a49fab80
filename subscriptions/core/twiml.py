"""The XML that tells the telephone company what to say and which keys to wait for.

https://www.twilio.com/docs/voice/twiml, https://www.twilio.com/docs/messaging/twiml
"""

from typing import Final
from xml.sax.saxutils import escape, quoteattr

from subscriptions.core.ladder_state import Answer
from subscriptions.core.message import Language

KEYS: Final[dict[str, Answer]] = {"1": "h", "2": "y", "3": "n", "9": "a"}
# In a call that asks for the emergency service, instead of "I have heard".
CARD_KEY: Final = "9"
CARD_MENU: Final = "card"
_VOICES: Final[dict[Language, str]] = {"en": "en-US", "es": "es-US"}
_WAIT_SECONDS: Final = 8


def call(alarm: str, keys: str, action: str, language: Language) -> str:
    """Return what a call says, twice, while it waits for one key; the key is POSTed to `action`."""
    voice = quoteattr(_VOICES[language])
    spoken = f"<Say language={voice}>{escape(f'{alarm} {keys}'.strip())}</Say>"
    gather = (
        f'<Gather input="dtmf" numDigits="1" timeout="{_WAIT_SECONDS}" method="POST"'
        f" action={quoteattr(action)}>{spoken}</Gather>"
    )
    return f"<Response>{gather}{gather}</Response>"


def say_and_ask(text: str, keys: str, action: str, language: Language) -> str:
    """Return a document that says `text`, then offers the keys of a call again."""
    voice = quoteattr(_VOICES[language])
    spoken = f"<Response><Say language={voice}>{escape(text)}</Say>"
    return spoken + call("", keys, action, language).removeprefix("<Response>")


def say(text: str, language: Language) -> str:
    """Return a document that says `text` and hangs up."""
    return (
        f"<Response><Say language={quoteattr(_VOICES[language])}>{escape(text)}</Say>"
        "<Hangup/></Response>"
    )


def message(text: str) -> str:
    """Return the answer to a text message; "" answers nothing."""
    if not text:
        return "<Response></Response>"
    return f"<Response><Message>{escape(text)}</Message></Response>"
