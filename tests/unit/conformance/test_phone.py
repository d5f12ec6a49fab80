import pytest

from conformance.load.household import Household
from conformance.load.phone import answer_to, signature


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ("ALERT 7Q2K: go to the person you care for NOW. Reply 7Q2Kh when there.", ("7Q2Kh", True)),
        ("ALERTA 7Q2K: vaya YA. Responda 7Q2Kh al llegar.", ("7Q2Kh", True)),
        ("Reply 4F7K to get alerts. STOP ends them.", ("4F7K", False)),
        ("Responda 4F7K para recibir alertas.", ("4F7K", False)),
        ("Thank you. This alert is closed.", None),
    ],
)
def test_what_a_person_answers(body: str, answer: tuple[str, bool] | None) -> None:
    assert answer_to(body) == answer


def test_the_signature_of_the_providers_own_documentation() -> None:
    fields = {
        "CallSid": "CA1234567890ABCDE",
        "Caller": "+14158675310",
        "Digits": "1234",
        "From": "+14158675310",
        "To": "+18005551212",
    }
    url = "https://mycompany.com/myapp.php?foo=1&bar=2"
    assert signature("12345", url, fields) == "GvWf1cFY/Q7PnoempGyD5oXAezc="


def test_homes_differ_in_everything_that_must_be_unique() -> None:
    homes = [Household("a1b2", number) for number in range(300)]
    assert len({home.telephone for home in homes}) == 300
    assert len({home.eui64 for home in homes}) == 300
    ids = [one["id"] for home in homes for one in (*home.resources(), *home.contact())]
    assert len(set(ids)) == len(ids)
    assert all(len(one) <= 64 for one in ids)


def test_a_run_has_bounded_homes() -> None:
    with pytest.raises(ValueError, match="10000"):
        Household("a", 10_000)
