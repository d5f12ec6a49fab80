"""What people write under stress, and what it means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from subscriptions.core.reply import (
    HELP_WORDS,
    START_WORDS,
    STOP_WORDS,
    AnswerReply,
    CodeReply,
    UnclearReply,
    WordReply,
    parse,
)
from subscriptions.core.reply_code import ALPHABET, code_from, is_code

CODES = st.text(st.sampled_from(ALPHABET), min_size=4, max_size=4)


@pytest.mark.parametrize(
    ("body", "code", "answer"),
    [
        ("7Q2Kh", "7Q2K", "h"),
        ("7q2kh", "7Q2K", "h"),
        ("7q2k h", "7Q2K", "h"),
        ("h 7Q2K", "7Q2K", "h"),
        ("H7Q2K", "7Q2K", "h"),
        ("7Q2K-y", "7Q2K", "y"),
        ("  7Q2Kn.\n", "7Q2K", "n"),
        ('"7Q2Ka"', "7Q2K", "a"),
        ("7 Q 2 K h", "7Q2K", "h"),
        ("7Q2Kh I am here", "7Q2K", "h"),
        ("Coming 7Q2K y hurry", "7Q2K", "y"),
        ("h", None, "h"),
        (" Y! ", None, "y"),
        ("n", None, "n"),
        ("a", None, "a"),
    ],
)
def test_answers(body: str, code: str | None, answer: str) -> None:
    assert parse(body) == AnswerReply(code, answer)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ("STOP", "stop"),
        ("stop.", "stop"),
        ("Opt out", "stop"),
        ("stop all", "stop"),
        ("alto", "stop"),
        ("BAJA", "stop"),
        ("START", "start"),
        ("iniciar", "start"),
        ("Help", "help"),
        ("¡Ayuda!", "help"),
        ("información", "help"),
        ("REVOKE", "stop"),
        ("OPT OUT", "stop"),
        ("opt-out", "stop"),
        ("Please stop", "stop"),
        ("STOP please!!", "stop"),
        ("stop texting me", "stop"),
        ("Don't text me", "stop"),
        ("no more messages please", "stop"),
        ("I revoke my consent", "stop"),
        ("remove me", "stop"),
        ("¡Pare, por favor!", "stop"),
        ("no más", "stop"),
        ("No envíen más mensajes", "stop"),
        ("Dejen de llamarme", "stop"),
        ("darme de baja", "stop"),
        ("Por favor ayuda", "help"),
        ("reanudar", "start"),
    ],
)
def test_words(body: str, word: str) -> None:
    assert parse(body) == WordReply(word)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "body",
    [
        "",
        "   ",
        "yes",
        "what?",
        "who is this",
        "I cannot stop the bleeding",
        "it does not stop",
        "stop the machine?",
        "the machine stopped",
        "end of the treatment",
        "no puedo parar la sangre",
        "stop by at five",
        "call me",
        "ya no",
        "please help me stop it",
        "7Q2Kh and 9WXFh",
        "7Q2Kz",
        "hh",
        "\x00\ufffd",
        "8Q2Kh",
        "h" * 1000,
    ],
)
def test_anything_else_is_unclear(body: str) -> None:
    assert parse(body) == UnclearReply()


def test_a_code_alone_is_a_proof_of_the_number() -> None:
    assert parse(" 7q2k ") == CodeReply("7Q2K")


def test_no_word_could_be_a_code_or_an_answer() -> None:
    for word in STOP_WORDS | START_WORDS | HELP_WORDS:
        assert not is_code(word)
        assert isinstance(parse(word), WordReply)


@given(CODES, st.sampled_from("aynh"), st.sampled_from(["", " ", "-", "  ", ": "]), st.booleans())
def test_every_code_is_understood_with_every_letter(
    code: str, letter: str, between: str, lower: bool
) -> None:
    for body in (code + between + letter, letter + between + code):
        assert parse(body.lower() if lower else body) == AnswerReply(code, letter)  # type: ignore[arg-type]


@given(st.text(max_size=600))
def test_nothing_raises(body: str) -> None:
    parse(body)


@given(st.binary(min_size=8, max_size=32))
def test_codes_are_codes(random_bytes: bytes) -> None:
    assert is_code(code_from(random_bytes))


def test_a_code_needs_enough_randomness() -> None:
    with pytest.raises(ValueError, match="random bytes"):
        code_from(b"1234567")


def test_codes_spread_over_the_alphabet() -> None:
    seen = {c for n in range(4000) for c in code_from((n * 7919 * 2**40 + n).to_bytes(16, "big"))}
    assert seen == set(ALPHABET)


LAW = ("stop", "quit", "end", "revoke", "opt out", "cancel", "unsubscribe", "stopall")


@pytest.mark.parametrize("word", LAW)
@pytest.mark.parametrize("form", ["{}", "{}.", " {} ", "{}!", '"{}"', "please {}", "{} please"])
def test_the_laws_words_in_every_dress(word: str, form: str) -> None:
    for text in (word, word.upper(), word.title()):
        assert parse(form.format(text)) == WordReply("stop")
