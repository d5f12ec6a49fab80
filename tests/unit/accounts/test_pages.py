"""HTML that cannot be broken out of, paths nobody is led away by, and words in both languages."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhirserver.accounts import texts
from fhirserver.accounts.answers import own_path, page, set_cookie
from fhirserver.accounts.html import Html, element, field, together
from fhirserver.accounts.scope_words import meaning


class _Seen(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: dict[str, str | None] = {}
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= dict(attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


@given(st.text(st.characters(exclude_characters="\r\x00", exclude_categories=["Cs"])))
def test_texts_never_become_markup(text: str) -> None:
    seen = _Seen(element("p", text, title=text))
    assert seen.tags == ["p"]
    assert seen.text == text
    assert seen.attributes["title"] == text


def test_markup_in_markup_stays() -> None:
    assert element("p", element("b", "<"), "&") == "<p><b>&lt;</b>&amp;</p>"
    assert together(Html("<br>"), "<br>") == "<br>&lt;br&gt;"


def test_a_field_has_a_label_and_its_hint_is_read_with_it() -> None:
    html = field("code", "Code", hint="Six digits")
    assert '<label for="code">' in html
    assert 'aria-describedby="code-hint"' in html
    assert 'id="code-hint"' in html


@pytest.mark.parametrize(
    ("path", "is_own"),
    [
        ("/auth/account", True),
        ("/auth/authorize?client_id=x&redirect_uri=https%3A%2F%2Fa//b", True),
        ("", False),
        ("/", False),
        ("/fhir/Patient", False),
        ("//evil.example/auth/", False),
        ("/auth//evil.example", False),
        ("https://evil.example/auth/", False),
        ("/auth/\\evil", False),
        ("/auth/ x", False),
        ("/auth/\r\nSet-Cookie: x", False),
        ("/auth/é", False),
    ],
)
def test_only_paths_of_ours_are_followed(path: str, is_own: bool) -> None:
    assert own_path(path, "/auth/account") == (path if is_own else "/auth/account")


@pytest.mark.parametrize(
    ("leads_to", "source"),
    [
        ("https://app.example.org/back?x=1", "form-action 'self' https://app.example.org;"),
        ("http://localhost:3000/", "form-action 'self' http://localhost:3000;"),
        ("org.example.app:/back", "form-action 'self' org.example.app:;"),
        ("", "form-action 'self';"),
    ],
)
def test_a_form_leads_to_the_app_and_nowhere_else(leads_to: str, source: str) -> None:
    answer = page("en", "Title", leads_to=leads_to)
    policy = answer.headers["content-security-policy"]
    assert source in policy + ";"
    assert "default-src 'none'" in policy
    assert "script-src" not in policy


def test_cookies_under_https_are_of_this_host_alone() -> None:
    answer = set_cookie(page("en", "Title"), "session", "x", secure=True)
    said = answer.headers["set-cookie"]
    assert said.startswith("__Host-session=x;")
    for wanted in ("Path=/", "Secure", "HttpOnly", "SameSite=lax"):
        assert wanted in said
    assert "Domain" not in said
    plain = set_cookie(page("en", "Title"), "session", "x", secure=False)
    assert plain.headers["set-cookie"].startswith("session=x;")


def test_every_text_stands_in_both_languages() -> None:
    for key, (english, spanish) in texts._WORDS.items():
        assert english, key
        assert spanish, key
        assert english.count("{") == spanish.count("{"), key


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [
        ("", "en"),
        ("es", "es"),
        ("es-MX,es;q=0.9,en;q=0.8", "es"),
        ("en;q=0.5, es;q=0.7", "es"),
        ("de, fr", "en"),
        ("es;q=0, en", "en"),
        ("es;q=x,en", "en"),
        (";;;,,,", "en"),
    ],
)
def test_the_language_asked_for_first(accepted: str, expected: str) -> None:
    assert texts.language_of(accepted) == expected


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ("patient/Observation.rs", "read: measurements of this patient [patient/Observation.rs]"),
        (
            "user/*.cruds",
            "read, add, change, delete: everything of everybody you may see [user/*.cruds]",
        ),
        (
            "patient/Observation.read",
            "read: measurements of this patient [patient/Observation.read]",
        ),
        ("openid", "know that it is you who signs in [openid]"),
        (
            "patient/Condition.rs?category=problem-list-item",
            "read: conditions (category=problem-list-item) of this patient [patient/Condition.rs?category=problem-list-item]",
        ),
        ("something-else", "something-else"),
    ],
)
def test_scopes_in_words(scope: str, expected: str) -> None:
    assert meaning("en", scope) == expected
    assert meaning("es", scope)
