"""The words people read and hear: alarms, answers, verification, in English and Spanish.

No name, number, value or diagnosis, ever: a text message is read on a lock screen by whoever holds
the telephone. The only variable in any of them is the reply code. Texts keep to the GSM 03.38 basic
alphabet (no accents outside it), so that each is one or two segments.
"""

from collections.abc import Mapping
from typing import Final, Literal

from subscriptions.core.ladder_commands import Outcome, Purpose

Language = Literal["en", "es"]
Audience = Literal["partner", "professional", "patient"]
Urgency = Literal["PH", "PM"]
AnswerText = Literal[
    "seen",
    "coming",
    "declined",
    "here",
    "other-needed",
    "over",
    "ended",
    "unclear",
    "which",
    "stopped",
    "started",
    "confirmed",
    "help",
]

_REPLY: Final[Mapping[Language, str]] = {
    "en": "Reply {code}h when there, {code}y coming, {code}n cannot.",
    "es": "Responda {code}h al llegar, {code}y si va en camino, {code}n si no puede.",
}
_SEEN: Final[Mapping[Language, str]] = {
    "en": "Reply {code}a when seen.",
    "es": "Responda {code}a al leerlo.",
}

_CALLS: Final[Mapping[tuple[Language, Audience, Urgency], str]] = {
    ("en", "partner", "PH"): "ALERT {code}: go to the person you care for NOW.",
    ("en", "partner", "PM"): "ALERT {code}: check on the person you care for soon.",
    ("en", "professional", "PH"): "ALERT {code}: a person on your list needs help NOW.",
    ("en", "professional", "PM"): "ALERT {code}: check on a person on your list soon.",
    ("en", "patient", "PH"): "ALERT {code}: check yourself NOW and call somebody to you.",
    ("en", "patient", "PM"): "ALERT {code}: check yourself soon.",
    ("es", "partner", "PH"): "ALERTA {code}: vaya YA con la persona que cuida.",
    ("es", "partner", "PM"): "ALERTA {code}: vea pronto a la persona que cuida.",
    ("es", "professional", "PH"): "ALERTA {code}: una persona de su lista necesita ayuda YA.",
    ("es", "professional", "PM"): "ALERTA {code}: vea pronto a una persona de su lista.",
    ("es", "patient", "PH"): "ALERTA {code}: revise YA y llame a alguien a su lado.",
    ("es", "patient", "PM"): "ALERTA {code}: revise pronto.",
}
_PREFACES: Final[Mapping[tuple[Language, Purpose], str]] = {
    ("en", "alert"): "{call}",
    ("en", "repeat"): "{call}",
    ("en", "emergency"): (
        "ALERT {code}: nobody has said they are there. Call the emergency number NOW."
    ),
    ("en", "exhausted"): (
        "ALERT {code}: everybody was asked and nobody is there. Go NOW or call for help."
    ),
    ("en", "recheck"): "ALERT {code}: is somebody still there? Check again NOW.",
    ("es", "alert"): "{call}",
    ("es", "repeat"): "{call}",
    ("es", "emergency"): "ALERTA {code}: nadie dice estar ahi. Llame YA al servicio de emergencia.",
    ("es", "exhausted"): "ALERTA {code}: se ha avisado a todos y no hay nadie. Vaya YA.",
    ("es", "recheck"): "ALERTA {code}: sigue alguien ahi? Revise otra vez YA.",
}
_VERIFICATION: Final[Mapping[Language, str]] = {
    "en": (
        "Reply {code} to get alerts for the person you care for. Message rates may apply."
        " STOP ends them, HELP explains."
    ),
    "es": (
        "Responda {code} para recibir alertas de la persona que cuida. Pueden aplicarse tarifas."
        " ALTO las termina, AYUDA explica."
    ),
}
_ANSWERS: Final[Mapping[Language, Mapping[AnswerText, str]]] = {
    "en": {
        "seen": "Thank you. We stop calling you; others are still being asked.",
        "coming": "Thank you. Reply {code}h when you are there.",
        "declined": "Understood. We are asking the next person.",
        "here": "Thank you. We will ask again soon. If help is needed call the emergency number.",
        "other-needed": "Thank you. Somebody else must confirm too; we keep asking.",
        "over": "Thank you. This alert is closed.",
        "ended": "This alert is no longer open.",
        "unclear": (
            "We did not understand. Reply the code and one letter: h there, y coming, n cannot."
        ),
        "which": "More than one alert is open. Reply the code and one letter, without a space.",
        "stopped": "You will get no more alerts from us, by text or call. START turns them on.",
        "started": "Alerts are on again. STOP ends them.",
        "confirmed": "Thank you. You will get alerts at this number. STOP ends them.",
        "help": (
            "Alerts about a person you care for. Reply the code and one letter: h there, y coming,"
            " n cannot. STOP ends them."
        ),
    },
    "es": {
        "seen": "Gracias. No le llamamos otra vez; seguimos avisando a otros.",
        "coming": "Gracias. Responda {code}h al llegar.",
        "declined": "Entendido. Avisamos a otra persona.",
        "here": "Gracias. Preguntaremos otra vez. Si hace falta, llame al servicio de emergencia.",
        "other-needed": "Gracias. Otra persona debe confirmarlo; seguimos avisando.",
        "over": "Gracias. Esta alerta queda cerrada.",
        "ended": "Esta alerta ya no sigue abierta.",
        "unclear": (
            "No hemos entendido. Responda el codigo y una letra: h al llegar, y si va,"
            " n si no puede."
        ),
        "which": "Hay varias alertas abiertas. Responda el codigo y una letra, sin espacio.",
        "stopped": "No recibe alertas nuestras, ni texto ni llamada. INICIAR las activa.",
        "started": "Las alertas se activan otra vez. ALTO las termina.",
        "confirmed": "Gracias. Va a recibir alertas en este telefono. ALTO las termina.",
        "help": (
            "Alertas de una persona que cuida. Responda el codigo y una letra: h al llegar,"
            " y si va, n si no puede. ALTO las termina."
        ),
    },
}
_KEYS: Final[Mapping[Language, str]] = {
    "en": "Press 1 if you are there, 2 if you are coming, 3 if you cannot, 9 if you have heard.",
    "es": "Pulse 1 si esta ahi, 2 si va en camino, 3 si no puede, 9 si lo ha oido.",
}
_SEEN_KEY: Final[Mapping[Language, str]] = {
    "en": "Press 9 when you have heard.",
    "es": "Pulse 9 al oirlo.",
}
_SPOKEN_ALERT: Final[Mapping[Language, str]] = {"en": "Alert: ", "es": "Alerta: "}


def language_of(code: str | None) -> Language:
    """Return the template language for a BCP 47 code; English where there is no other."""
    return "es" if code is not None and code.lower().split("-")[0] == "es" else "en"


def alarm_text(
    purpose: Purpose, urgency: Urgency, audience: Audience, language: Language, code: str
) -> str:
    """Return the text message of one page."""
    return _alarm(purpose, urgency, audience, language).format(code=code)


def alarm_speech(
    purpose: Purpose, urgency: Urgency, audience: Audience, language: Language
) -> tuple[str, str]:
    """Return what a call says: the alarm, then the keys that answer it."""
    opening = "ALERT {code}: " if language == "en" else "ALERTA {code}: "
    alarm = _preface(purpose, urgency, audience, language).removeprefix(opening)
    keys = _SEEN_KEY if audience == "patient" else _KEYS
    return _SPOKEN_ALERT[language] + alarm, keys[language]


def verification_text(language: Language, code: str) -> str:
    """Return the message that asks a person to prove their number."""
    return _VERIFICATION[language].format(code=code)


def answer_text(answer: AnswerText | Outcome, language: Language, code: str | None) -> str:
    """Return what a person who replied is answered."""
    text = _ANSWERS[language][answer]
    return text.format(code=code) if code is not None else text.replace("{code}", "")


def _alarm(purpose: Purpose, urgency: Urgency, audience: Audience, language: Language) -> str:
    reply = _SEEN if audience == "patient" else _REPLY
    return f"{_preface(purpose, urgency, audience, language)} {reply[language]}"


def _preface(purpose: Purpose, urgency: Urgency, audience: Audience, language: Language) -> str:
    return _PREFACES[language, purpose].replace("{call}", _CALLS[language, audience, urgency])
