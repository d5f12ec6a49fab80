"""A person with a browser that knows no scripts: fills in the login, says yes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin

import httpx

_MOST_PAGES = 12
_NO = ("deny", "cancel", "no", "reject", "decline")


@dataclass
class Form:
    """A form as it stands on a page: its fields with what is in them, and its buttons."""

    action: str
    method: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    passwords: list[str] = field(default_factory=list)
    choices: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Form] = []

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        known = {name: value or "" for name, value in attrs}
        name, value = known.get("name", ""), known.get("value", "")
        if tag == "form":
            self.forms.append(Form(known.get("action", ""), known.get("method", "get").lower()))
        if not self.forms or tag not in ("input", "button"):
            return
        form, kind = self.forms[-1], known.get("type", "submit" if tag == "button" else "text")
        if kind == "submit":
            form.buttons.append((name, value))
        elif kind == "password":
            form.passwords.append(name)
        elif kind == "checkbox":
            form.fields += [(name, value)] if "checked" in known else []
        elif kind == "radio":
            if "checked" in known or name not in form.choices:
                form.choices[name] = value
        elif kind == "hidden":
            form.fields.append((name, value))
        elif kind in ("text", "email", "search"):
            form.texts.append(name)
            form.fields += [(name, value)] if value else []


@dataclass
class Person:
    """Somebody with `login` and `password`, on the way to an app at `redirect_uri`."""

    http: httpx.Client
    login: str
    password: str
    redirect_uri: str

    def walk(self, url: str) -> str | None:
        """Return the address of the app that the browser ends at, None when it never gets there."""
        answer = self.http.get(url)
        for _ in range(_MOST_PAGES):
            if answer.is_redirect:
                reached = urljoin(str(answer.url), answer.headers["location"])
                if reached.startswith(self.redirect_uri):
                    return reached
                answer = self.http.get(reached)
                continue
            form = self._form(answer.text)
            if form is None or not answer.is_success:
                return None
            answer = self._send(form, str(answer.url))
        return None

    def _form(self, html: str) -> Form | None:
        page = _Page()
        page.feed(html)
        for form in page.forms:
            if form.passwords:
                return form
        posted = [form for form in page.forms if form.method == "post" and form.buttons]
        return max(posted, key=lambda form: len(form.fields) + len(form.choices), default=None)

    def _send(self, form: Form, page: str) -> httpx.Response:
        fields = [*form.fields, *form.choices.items()]
        if form.passwords:
            typed = {*form.texts[:1], *form.passwords}
            fields = [one for one in fields if one[0] not in typed]
            fields += [(name, self.login) for name in form.texts[:1]]
            fields += [(name, self.password) for name in form.passwords]
        named = [one for one in form.buttons if one[0] and one[1].lower() not in _NO]
        data: dict[str, list[str]] = {}
        for name, value in [*fields, *named[:1]]:
            data.setdefault(name, []).append(value)
        target = urljoin(page, form.action or page)
        if form.method == "post":
            return self.http.post(target, data=data)
        return self.http.get(target, params=data)
