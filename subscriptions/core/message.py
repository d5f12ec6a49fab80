"""The words people read and hear: alarms, answers, verification, in English and Spanish.

No name, number, value or diagnosis, ever: a text message is read on a lock screen by whoever holds
the telephone. The only variables in any of them are the reply code and, where the server has a public
address, a link made of letters. Texts keep to the GSM 03.38 basic alphabet (no accents outside it), so
that each is one or two segments.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Literal

from subscriptions.core.ladder_commands import Outcome, Purpose
from subscriptions.core.ladder_state import Answer

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
    "tested",
    "test-declined",
    "unclear",
    "which",
    "stopped",
    "started",
    "confirmed",
    "answered",
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
    ("en", "test"): "TEST {code}: no alarm. We check that we can reach you.",
    ("es", "alert"): "{call}",
    ("es", "repeat"): "{call}",
    ("es", "emergency"): "ALERTA {code}: nadie dice estar ahi. Llame YA al servicio de emergencia.",
    ("es", "exhausted"): "ALERTA {code}: se ha avisado a todos y no hay nadie. Vaya YA.",
    ("es", "recheck"): "ALERTA {code}: sigue alguien ahi? Revise otra vez YA.",
    ("es", "test"): "PRUEBA {code}: no es una alarma. Comprobamos que le llegan los avisos.",
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
        "tested": "Thank you. Alerts reach you.",
        "test-declined": "Understood. Somebody else must be there before the treatment begins.",
        "unclear": (
            "We did not understand. Reply the code and one letter: h there, y coming, n cannot."
        ),
        "which": "More than one alert was sent to you. Reply the code of the one you mean and one letter.",
        "stopped": "You will get no more alerts from us, by text or call. START turns them on.",
        "started": "Alerts are on again. STOP ends them.",
        "confirmed": "Thank you. You will get alerts at this number. STOP ends them.",
        "answered": "You have given this answer already. We have it.",
        "help": (
            "In danger call the emergency number. These are backup alerts about a person you care"
            " for. Reply the code and one letter: h there, y coming, n cannot. STOP ends them."
            " Message rates may apply."
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
        "tested": "Gracias. Los avisos le llegan.",
        "test-declined": "Entendido. Otra persona debe estar antes de empezar el tratamiento.",
        "unclear": (
            "No hemos entendido. Responda el codigo y una letra: h al llegar, y si va,"
            " n si no puede."
        ),
        "which": "Se le enviaron varias alertas. Responda el codigo de la que quiere contestar y una letra.",
        "stopped": "No recibe alertas nuestras, ni texto ni llamada. INICIAR las activa.",
        "started": "Las alertas se activan otra vez. ALTO las termina.",
        "confirmed": "Gracias. Va a recibir alertas en este telefono. ALTO las termina.",
        "answered": "Ya ha dado esta respuesta. La tenemos.",
        "help": (
            "En peligro llame al servicio de emergencia. Son avisos de apoyo sobre una persona que"
            " cuida. Responda el codigo y una letra: h al llegar, y si va, n si no puede. ALTO los"
            " termina. Pueden aplicarse tarifas."
        ),
    },
}
_KEYS: Final[Mapping[Language, str]] = {
    "en": "Press 1 if you are there, 2 if you are coming, 3 if you cannot, 9 if you have heard.",
    "es": "Pulse 1 si esta ahi, 2 si va en camino, 3 si no puede, 9 si lo ha oido.",
}
_CARD_KEYS: Final[Mapping[Language, str]] = {
    "en": (
        "Press 1 if you are there, 2 if you are coming, 3 if you cannot,"
        " 9 to hear the address for the emergency service."
    ),
    "es": (
        "Pulse 1 si esta ahi, 2 si va en camino, 3 si no puede,"
        " 9 para oir la direccion para el servicio de emergencia."
    ),
}
_SEEN_KEY: Final[Mapping[Language, str]] = {
    "en": "Press 9 when you have heard.",
    "es": "Pulse 9 al oirlo.",
}
_BUTTONS: Final[Mapping[Language, tuple[str, Mapping[Answer, str]]]] = {
    "en": (
        "Alert",
        {
            "h": "I am there",
            "y": "I am coming",
            "n": "I cannot",
            "a": "I have seen it",
        },
    ),
    "es": (
        "Alerta",
        {
            "h": "Ya he llegado",
            "y": "Voy en camino",
            "n": "No puedo",
            "a": "Lo he visto",
        },
    ),
}
_NO_CARD: Final[Mapping[Language, str]] = {
    "en": "No address is known. Ask the emergency service to call you back.",
    "es": "No se conoce la direccion. Pida al servicio de emergencia que le llame.",
}
_OPENINGS: Final[Mapping[Language, tuple[tuple[str, str], ...]]] = {
    "en": (("ALERT {code}: ", "Alert: "), ("TEST {code}: ", "Test: ")),
    "es": (("ALERTA {code}: ", "Alerta: "), ("PRUEBA {code}: ", "Prueba: ")),
}
# The calls in which a key speaks where to send the ambulance.
_SENDS_FOR_HELP: Final = frozenset[Purpose](("emergency", "exhausted"))


def language_of(code: str | None) -> Language:
    """Return the template language for a BCP 47 code; English where there is no other."""
    return "es" if code is not None and code.lower().split("-")[0] == "es" else "en"


def alarm_text(
    purpose: Purpose,
    urgency: Urgency,
    audience: Audience,
    language: Language,
    code: str,
    link: str | None = None,
) -> str:
    """Return the text message of one page, with `link` at its end where there is one."""
    text = _alarm(purpose, urgency, audience, language).format(code=code)
    return text if link is None else f"{text} {link}"


def offers_card(purpose: Purpose, audience: Audience) -> bool:
    """Return whether a call offers to speak address and fridge card (key 9)."""
    return purpose in _SENDS_FOR_HELP and audience != "patient"


def alarm_speech(
    purpose: Purpose, urgency: Urgency, audience: Audience, language: Language
) -> tuple[str, str]:
    """Return what a call says: the alarm, then the keys that answer it."""
    alarm = _preface(purpose, urgency, audience, language)
    for written, spoken in _OPENINGS[language]:
        if alarm.startswith(written):
            alarm = spoken + alarm.removeprefix(written)
    return alarm, key_speech(purpose, audience, language)


def key_speech(purpose: Purpose, audience: Audience, language: Language) -> str:
    """Return which keys a call offers."""
    if offers_card(purpose, audience):
        return _CARD_KEYS[language]
    only_seen = audience == "patient" or purpose == "test"
    return _SEEN_KEY[language] if only_seen else _KEYS[language]


def card_speech(parts: Sequence[str], language: Language) -> str:
    """Return what is spoken of an address and a fridge card; `parts` are their sentences."""
    return ". ".join(parts) if parts else _NO_CARD[language]


def button_words(language: Language) -> tuple[str, Mapping[Answer, str]]:
    """Return the title of the page a link opens, and what its buttons say."""
    return _BUTTONS[language]


def verification_text(language: Language, code: str) -> str:
    """Return the message that asks a person to prove their number."""
    return _VERIFICATION[language].format(code=code)


def answer_text(answer: AnswerText | Outcome, language: Language, code: str | None) -> str:
    """Return what a person who replied is answered."""
    text = _ANSWERS[language][answer]
    return text.format(code=code) if code is not None else text.replace("{code}", "")


def is_unclear(text: str) -> bool:
    """Return whether `text` is the answer to what nobody understood."""
    return text in {_ANSWERS[language]["unclear"] for language in _ANSWERS}


def _alarm(purpose: Purpose, urgency: Urgency, audience: Audience, language: Language) -> str:
    reply = _SEEN if audience == "patient" or purpose == "test" else _REPLY
    return f"{_preface(purpose, urgency, audience, language)} {reply[language]}"


def _preface(purpose: Purpose, urgency: Urgency, audience: Audience, language: Language) -> str:
    return _PREFACES[language, purpose].replace("{call}", _CALLS[language, audience, urgency])
