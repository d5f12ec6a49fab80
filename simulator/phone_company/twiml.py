"""Reading TwiML: the small part a spoken alert needs. Unknown verbs are reported, never guessed.

https://www.twilio.com/docs/voice/twiml
"""

from dataclasses import dataclass
from xml.etree import ElementTree as ET


@dataclass(frozen=True, slots=True)
class Say:
    """Speak `text`."""

    text: str
    language: str | None


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait `seconds`."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Gather:
    """Speak `prompts` and wait for digits; POST them to `action` (None: to the document's URL)."""

    prompts: tuple["Say | Pause", ...]
    digits: int | None
    action: str | None
    timeout_s: float
    finish_key: str


@dataclass(frozen=True, slots=True)
class Redirect:
    """Go on with the document at `url`."""

    url: str


@dataclass(frozen=True, slots=True)
class Reply:
    """In answer to an incoming message: send `text` back."""

    text: str


@dataclass(frozen=True, slots=True)
class Hangup:
    """End the call."""


Verb = Say | Pause | Gather | Redirect | Reply | Hangup


class TwimlError(ValueError):
    """The document is no TwiML this company understands (Twilio's error 12100)."""


def _spoken(element: ET.Element) -> Say | Pause:
    if element.tag == "Say":
        text = " ".join("".join(element.itertext()).split())
        return Say(text, element.get("language"))
    if element.tag == "Pause":
        return Pause(float(element.get("length", "1")))
    raise TwimlError(f"<{element.tag}> is not understood here")


def _verb(element: ET.Element) -> Verb:
    match element.tag:
        case "Gather":
            digits = element.get("numDigits")
            return Gather(
                tuple(_spoken(child) for child in element),
                None if digits is None else int(digits),
                element.get("action"),
                float(element.get("timeout", "5")),
                element.get("finishOnKey", "#"),
            )
        case "Redirect":
            return Redirect((element.text or "").strip())
        case "Message":
            return Reply(" ".join("".join(element.itertext()).split()))
        case "Hangup":
            return Hangup()
        case _:
            return _spoken(element)


def read_twiml(document: str) -> tuple[Verb, ...]:
    """Return the verbs of `document` in order; an empty document has none. Raises TwimlError."""
    if not document.strip():
        return ()
    if "<!DOCTYPE" in document or "<!ENTITY" in document:
        raise TwimlError("a document type is not accepted")
    try:
        root = ET.fromstring(document.strip())  # noqa: S314 - document types were refused above
    except ET.ParseError as error:
        raise TwimlError(f"not XML: {error}") from error
    if root.tag != "Response":
        raise TwimlError("the root element is not <Response>")
    try:
        return tuple(_verb(child) for child in root)
    except ValueError as error:
        raise TwimlError(str(error)) from error
