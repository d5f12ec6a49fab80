"""The words themselves: what they say, and what they must never say."""

import re
from inspect import signature
from itertools import product
from string import Formatter
from typing import get_args

import pytest

from subscriptions.core import message, twiml
from subscriptions.core.gsm import is_gsm, segments
from subscriptions.core.ladder_commands import Purpose
from subscriptions.core.message import (
    alarm_speech,
    alarm_text,
    answer_text,
    button_words,
    card_speech,
    key_speech,
    offers_card,
    verification_text,
)
from subscriptions.core.page_link import LENGTH

LANGUAGES = ("en", "es")
AUDIENCES = ("partner", "professional", "patient")
PURPOSES = get_args(Purpose)
CODE = "7Q2K"
LINK = "https://alarms.example.org/a/" + "Q" * LENGTH
EVERY = list(product(PURPOSES, ("PH", "PM"), AUDIENCES, LANGUAGES))
ALARMS = [
    alarm_text(purpose, urgency, audience, language, CODE)  # type: ignore[arg-type]
    for purpose, urgency, audience, language in EVERY
]
LINKED = [
    alarm_text(purpose, urgency, audience, language, CODE, LINK)  # type: ignore[arg-type]
    for purpose, urgency, audience, language in EVERY
]
ANSWERS = [
    answer_text(answer, language, CODE)  # type: ignore[arg-type]
    for language in LANGUAGES
    for answer in message._ANSWERS["en"]
]
TEXTS = [*ALARMS, *LINKED, *ANSWERS, *(verification_text(language, CODE) for language in LANGUAGES)]  # type: ignore[arg-type]


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


def _templates(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for one in value.values() for text in _templates(one)]
    if isinstance(value, tuple | list):
        return [text for one in value for text in _templates(one)]
    return []


def test_nothing_but_the_code_can_stand_in_any_template() -> None:
    """Canary: every string of the module, whatever table it was put into."""
    tables = {
        name: value for name, value in vars(message).items() if name.isupper() or name[:1] == "_"
    }
    found = [
        text for name, value in tables.items() if name[:2] != "__" for text in _templates(value)
    ]
    assert len(found) > 80
    for text in found:
        fields = {field for _, field, _, _ in Formatter().parse(text) if field is not None}
        assert fields <= {"code", "call"}, text


def test_nothing_about_a_person_can_be_given_to_the_words() -> None:
    """Canary: what the functions take. A name or a value could only come in by an argument."""
    allowed = {"purpose", "urgency", "audience", "language", "code", "link", "answer"}
    for function in (alarm_text, alarm_speech, verification_text, answer_text, key_speech):
        assert signature(function).parameters.keys() <= allowed


@pytest.mark.parametrize("text", LINKED)
def test_a_link_stands_at_the_end_and_fits_into_two_segments(text: str) -> None:
    assert text.endswith(f" {LINK}")
    assert segments(text) <= 2


def test_a_test_page_is_no_alarm() -> None:
    for language, word in (("en", "TEST"), ("es", "PRUEBA")):
        text = alarm_text("test", "PM", "partner", language, CODE)  # type: ignore[arg-type]
        assert text.startswith(f"{word} {CODE}: no")
        assert f"{CODE}a" in text
        alarm, keys = alarm_speech("test", "PM", "partner", language)  # type: ignore[arg-type]
        assert alarm.startswith(word.title())
        assert re.findall(r"\d", keys) == ["9"]


def test_only_a_call_for_help_offers_the_address() -> None:
    for purpose, audience in product(PURPOSES, AUDIENCES):
        offered = offers_card(purpose, audience)  # type: ignore[arg-type]
        assert offered == (purpose in ("emergency", "exhausted") and audience != "patient")
        for language, word in (("en", "address"), ("es", "direccion")):
            assert (word in key_speech(purpose, audience, language)) == offered  # type: ignore[arg-type]


def test_an_address_nobody_knows_is_said_to_be_unknown() -> None:
    assert card_speech(["1 Elm St", "key under the mat"], "en") == "1 Elm St. key under the mat"
    assert "No address" in card_speech([], "en")
    assert "direccion" in card_speech([], "es")


def test_a_call_that_spoke_the_address_offers_the_keys_again() -> None:
    document = twiml.say_and_ask("1 < 2", "keys", "https://us/x?menu=card", "es")
    assert document.startswith('<Response><Say language="es-US">1 &lt; 2</Say><Gather')
    assert document.count("<Gather") == 2
    assert document.endswith("</Response>")


def test_every_button_is_worded_in_both_languages() -> None:
    for language in LANGUAGES:
        title, words = button_words(language)  # type: ignore[arg-type]
        assert title
        assert set(words) == {"h", "y", "n", "a"}


def test_help_says_what_to_do_in_danger_and_how_to_end_it() -> None:
    assert answer_text("help", "en", None).startswith("In danger call the emergency number.")
    assert "STOP" in answer_text("help", "en", None)
    assert answer_text("help", "es", None).startswith("En peligro llame")
    assert "ALTO" in answer_text("help", "es", None)
