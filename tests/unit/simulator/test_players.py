"""The demonstration's people: who answers what, after which text, how long after."""

from simulator.demo.cast import HOUSEHOLDS, NURSE
from simulator.demo.players import Prompter, heard, script

HOME = next(home for home in HOUSEHOLDS if home.scenario == "needle-slip-graft")


def turns(prompter: Prompter, until_s: int) -> list[tuple[int, str, str | None]]:
    return [(second, *turn) for second in range(until_s) for turn in prompter.due(second)]


def test_texts_are_told_apart_in_both_languages() -> None:
    assert heard("TEST 7Q2K: no alarm. We check that we can reach you.") == ("test", "7Q2K")
    assert heard("PRUEBA 7Q2K: no es una alarma.") == ("test", "7Q2K")
    assert heard("ALERT 7Q2K: go to the person you care for NOW.") == ("alert", "7Q2K")
    assert heard("ALERTA 7Q2K: vaya YA con la persona que cuida.") == ("alert", "7Q2K")
    assert heard("ALERT 7Q2K: is somebody still there? Check again NOW.") == ("recheck", "7Q2K")
    assert heard("ALERTA 7Q2K: sigue alguien ahi? Revise otra vez YA.") == ("recheck", "7Q2K")
    assert heard("Thank you. Reply 7Q2Kh when you are there.") is None


def test_everybody_answers_a_test_page_once() -> None:
    prompter = Prompter(script())
    for person in (HOME.partner, HOME.second, NURSE):
        prompter.listen(person.phone, "TEST AB12: no alarm.", 0.0)
        prompter.listen(person.phone, "TEST AB12: no alarm.", 1.0)
    assert {(number, text) for _, number, text in turns(prompter, 10)} == {
        (person.phone, "AB12a") for person in (HOME.partner, HOME.second, NURSE)
    }
    assert turns(prompter, 20) == []


def test_the_second_care_partner_comes_is_there_and_is_asked_again() -> None:
    prompter = Prompter(script())
    prompter.listen(HOME.partner.phone, "ALERTA AB12: vaya YA", 0.0)
    prompter.listen(HOME.second.phone, "ALERTA CD34: vaya YA", 0.0)
    assert turns(prompter, 200) == [
        (32, HOME.second.phone, "CD34y"),
        (52, HOME.second.phone, "CD34h"),
        (112, HOME.second.phone, None),
    ]
    prompter.listen(HOME.second.phone, "ALERTA CD34: sigue alguien ahi? Revise", 200.0)
    assert prompter.due(210.0) == [(HOME.second.phone, "CD34h")]


def test_nobody_plays_in_the_other_homes() -> None:
    prompter = Prompter(script())
    for home in HOUSEHOLDS:
        if home is not HOME:
            prompter.listen(home.partner.phone, "ALERT AB12: go", 0.0)
            prompter.listen(home.second.phone, "ALERT CD34: go", 0.0)
    assert prompter.due(1e6) == []
