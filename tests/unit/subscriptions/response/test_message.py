"""The words themselves: what they say, and what they must never say."""

import re
from itertools import product

import pytest

from subscriptions.core import message, twiml
from subscriptions.core.gsm import is_gsm, segments
from subscriptions.core.message import alarm_speech, alarm_text, answer_text, verification_text

LANGUAGES = ("en", "es")
AUDIENCES = ("partner", "professional", "patient")
PURPOSES = ("alert", "repeat", "emergency", "exhausted", "recheck")
CODE = "7Q2K"
ALARMS = [
    alarm_text(purpose, urgency, audience, language, CODE)  # type: ignore[arg-type]
    for purpose, urgency, audience, language in product(
        PURPOSES, ("PH", "PM"), AUDIENCES, LANGUAGES
    )
]
ANSWERS = [
    answer_text(answer, language, CODE)  # type: ignore[arg-type]
    for language in LANGUAGES
    for answer in message._ANSWERS["en"]
]
TEXTS = [*ALARMS, *ANSWERS, *(verification_text(language, CODE) for language in LANGUAGES)]  # type: ignore[arg-type]


def test_the_alarm_to_a_care_partner_word_for_word() -> None:
    assert alarm_text("alert", "PH", "partner", "en", CODE) == (
        "ALERT 7Q2K: go to the person you care for NOW. Reply 7Q2Kh when there, 7Q2Ky coming,"
        " 7Q2Kn cannot."
    )


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_has_no_digits_but_the_code(text: str) -> None:
    assert not re.search(r"\d", text.replace(CODE, ""))
    assert "{" not in text


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_says_nothing_of_health(text: str) -> None:
    words = "dialys dializ pressure presion blood sangre needle aguja machine maquina heart mmhg"
    assert not [word for word in words.split() if word in text.lower()]


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_takes_two_segments_at_most(text: str) -> None:
    assert is_gsm(text)
    assert segments(text) <= 2


def test_every_alarm_names_its_code_and_how_to_answer() -> None:
    for text in ALARMS:
        assert CODE in text
        assert re.search(rf"{CODE}[ahyn]", text)


def test_both_languages_have_every_answer() -> None:
    assert message._ANSWERS["en"].keys() == message._ANSWERS["es"].keys()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_call_says_no_code(language: str) -> None:
    for purpose, urgency, audience in product(PURPOSES, ("PH", "PM"), AUDIENCES):
        alarm, keys = alarm_speech(purpose, urgency, audience, language)  # type: ignore[arg-type]
        assert "{" not in alarm + keys
        assert not re.search(r"\d", alarm)
        assert set(re.findall(r"\d", keys)) <= set(twiml.KEYS)


def test_a_call_offers_every_key() -> None:
    _, keys = alarm_speech("alert", "PH", "partner", "en")
    assert set(re.findall(r"\d", keys)) == set(twiml.KEYS)


@pytest.mark.parametrize(
    ("code", "language"),
    [(None, "en"), ("es", "es"), ("es-MX", "es"), ("ES-us", "es"), ("fr", "en"), ("est", "en")],
)
def test_the_language(code: str | None, language: str) -> None:
    assert message.language_of(code) == language


def test_an_answer_without_a_code_leaves_no_gap() -> None:
    assert "{" not in answer_text("coming", "en", None)


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 1),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("í" * 70, 1),
        ("í" * 71, 2),
        ("😀" * 35, 1),
        ("😀" * 36, 2),
    ],
)
def test_segments(text: str, count: int) -> None:
    assert segments(text) == count


def test_twiml_escapes_what_it_is_given() -> None:
    document = twiml.call("a < b", "press & hold", 'https://x/?a="1"&b=2', "en")
    assert "a &lt; b press &amp; hold" in document
    assert "&amp;b=2" in document
    assert twiml.message("") == "<Response></Response>"
    assert twiml.message("<b>") == "<Response><Message>&lt;b&gt;</Message></Response>"
    assert twiml.say("x", "es").startswith('<Response><Say language="es-US">x</Say>')
