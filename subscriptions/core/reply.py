"""What a text message from a telephone means.

People answer under stress: with or without the space, the code before or after the letter, upper or
lower case, with a full stop. The words that switch messages off and on are those United States law
(47 CFR 64.1200(a)(10): stop, quit, end, revoke, opt out, cancel, unsubscribe) and carriers (STOPALL;
START, UNSTOP; HELP, INFO) know, with the Spanish ones beside them. They count only when they are the
whole message, politeness aside, because "I cannot stop it" is a cry for help; the law's "any
reasonable means" are the few sentences below. ``YES`` is no answer here: it could mean "coming" or
"send me messages".
"""

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Literal, cast
from unicodedata import combining, normalize

from subscriptions.core.ladder_state import Answer
from subscriptions.core.reply_code import ALPHABET, ANSWER_LETTERS, LENGTH

STOP_WORDS: Final = frozenset(
    (
        "STOP",
        "STOPALL",
        "UNSUBSCRIBE",
        "CANCEL",
        "END",
        "QUIT",
        "REVOKE",
        "OPTOUT",
        "ALTO",
        "PARAR",
        "PARE",
        "BAJA",
        "CANCELAR",
        "DETENER",
        "REVOCAR",
        "TERMINAR",
        "FIN",
        "SALIR",
        "NOMAS",
    )
)
START_WORDS: Final = frozenset(
    ("START", "UNSTOP", "INICIAR", "EMPEZAR", "COMENZAR", "REANUDAR", "ACTIVAR")
)
HELP_WORDS: Final = frozenset(("HELP", "INFO", "AYUDA", "INFORMACION"))
# Sentences that say the same, spaces and signs left out.
_STOP_SENTENCES: Final = re.compile(
    "(STOP|QUIT|END|CANCEL|NOMORE|DONT|DONOT)"
    "(TEXTING|TEXTINGME|TEXT|TEXTME|TEXTS|MESSAGINGME|SENDINGME(TEXTS|MESSAGES)?|CALLINGME|CALLME"
    "|MESSAGES|MESSAGE|ALERTS|ALLMESSAGES|ALLTEXTS|ALLALERTS|CONTACTINGME|CONTACTME)"
    "|OPT(ME)?OUT|OPTINGOUT|UNSUBSCRIBEME|REMOVEME|TAKEMEOFF(THE)?LIST|LEAVEMEALONE"
    "|IREVOKE(MY)?CONSENT|REVOKE(MY)?CONSENT"
    "|(NO|NOME)(ENVIEN?|ESCRIBAN?|LLAMEN?|MANDEN?)(MAS)?(MENSAJES|AVISOS|ALERTAS)?"
    "|DEJEN?DE(ESCRIBIRME|LLAMARME|ENVIARME(MENSAJES|AVISOS|ALERTAS)?)"
    "|(NOMAS|CANCELAR|PARAR|DARDEBAJA)(MENSAJES|AVISOS|ALERTAS)?|DARMEDEBAJA|DARSEDEBAJA"
)
_POLITE: Final = re.compile("^(PLEASE|PLS|PORFAVOR)|(PLEASE|PLS|PORFAVOR|NOW|YA|THANKS|GRACIAS)$")

_CODE: Final = f"[{ALPHABET}]{{{LENGTH},{LENGTH + 2}}}"
_LETTER: Final = f"[{ANSWER_LETTERS}]"
_CODE_THEN_LETTER: Final = re.compile(f"({_CODE})({_LETTER})")
_LETTER_THEN_CODE: Final = re.compile(f"({_LETTER})({_CODE})")
_BARE_CODE: Final = re.compile(_CODE)
_LONGEST: Final = 400

Word = Literal["stop", "start", "help"]


@dataclass(frozen=True, slots=True)
class AnswerReply:
    """An answer to an alarm; without a code it is for the only open alarm of that telephone."""

    code: str | None
    answer: Answer


@dataclass(frozen=True, slots=True)
class CodeReply:
    """A code alone: the proof that this telephone reads our messages."""

    code: str


@dataclass(frozen=True, slots=True)
class WordReply:
    """One of the words that switch messages off or on, or ask for help."""

    word: Word


@dataclass(frozen=True, slots=True)
class UnclearReply:
    """Anything else."""


Reply = AnswerReply | CodeReply | WordReply | UnclearReply


def parse(body: str) -> Reply:
    """Return what `body` means; never raises, whatever was sent."""
    text = body[:_LONGEST].upper()
    compact = "".join(c for c in text if c.isalnum())
    if (word := _word(compact)) is not None:
        return WordReply(word)
    if len(compact) == 1 and compact in ANSWER_LETTERS:
        return AnswerReply(None, _answer(compact))
    whole = _coded(compact)
    if whole is not None:
        return whole
    if _BARE_CODE.fullmatch(compact):
        return CodeReply(compact)
    return _only_one(text)


def _word(compact: str) -> Word | None:
    """Return which of the words a whole message is, accents and politeness aside."""
    plain = "".join(c for c in normalize("NFKD", compact) if not combining(c))
    plain = _POLITE.sub("", _POLITE.sub("", plain, count=1), count=1)
    if plain in STOP_WORDS or _STOP_SENTENCES.fullmatch(plain):
        return "stop"
    if plain in START_WORDS:
        return "start"
    return "help" if plain in HELP_WORDS else None


def _coded(compact: str) -> AnswerReply | None:
    if match := _CODE_THEN_LETTER.fullmatch(compact):
        return AnswerReply(match[1], _answer(match[2]))
    if match := _LETTER_THEN_CODE.fullmatch(compact):
        return AnswerReply(match[2], _answer(match[1]))
    return None


def _only_one(text: str) -> Reply:
    """Find the answer inside a longer message ("7Q2Kh I am here"); two of them are unclear."""
    words = ["".join(c for c in word if c.isalnum()) for word in text.split()]
    words = [word for word in words if word]
    pairs = [one + two for one, two in pairwise(words)]
    found = {reply for word in words if (reply := _coded(word)) is not None}
    if not found:
        found = {reply for pair in pairs if (reply := _coded(pair)) is not None}
    return found.pop() if len(found) == 1 else UnclearReply()


def _answer(letter: str) -> Answer:
    return cast("Answer", letter.lower())
