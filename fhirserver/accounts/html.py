"""HTML made of parts, so that no text of anybody becomes markup.

Spec: https://html.spec.whatwg.org/
"""

from html import escape
from typing import Final

_EMPTY: Final = frozenset({"br", "hr", "input", "link", "meta"})


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


def element(tag: str, /, *children: str, **attributes: str | bool) -> Html:
    """Return one element: plain texts in it are escaped, `Html` is not.

    Attribute names are written with an underscore at the end where Python has the word (``class_``, ``for_``), and
    inside for a hyphen (``aria_describedby``). True is an attribute without a value, False none at all.
    """
    written = "".join(
        _attribute(key, value) for key, value in attributes.items() if value is not False
    )
    if tag in _EMPTY:
        return Html(f"<{tag}{written}>")
    return Html(f"<{tag}{written}>{together(*children)}</{tag}>")


def together(*children: str) -> Html:
    """Return `children` one after the other, plain texts escaped."""
    return Html("".join(one if isinstance(one, Html) else escape(one) for one in children))


def document(language: str, title: str, style: str, *children: str, script: str = "") -> str:
    """Return a whole page; `style` and `script` are URLs of files of ours."""
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        element("link", rel="stylesheet", href=style),
        element("script", src=script, defer=True) if script else Html(),
    )
    body = element("body", element("main", element("h1", title), *children))
    return "<!doctype html>" + element("html", head, body, lang=language)


def hidden(name: str, value: str) -> Html:
    """Return a field that travels with a form unseen."""
    return element("input", type="hidden", name=name, value=value)


def field(
    name: str,
    label: str,
    *,
    hint: str = "",
    kind: str = "text",
    value: str = "",
    autocomplete: str = "off",
    focused: bool = False,
    required: bool = True,
) -> Html:
    """Return a labelled input; the `hint` is read with it."""
    input_ = element(
        "input",
        type=kind,
        id=name,
        name=name,
        value=value,
        autocomplete=autocomplete,
        autocapitalize="none",
        spellcheck="false",
        aria_describedby=f"{name}-hint" if hint else False,
        autofocus=focused,
        required=required,
    )
    said = element("p", hint, id=f"{name}-hint", class_="hint") if hint else Html()
    return element("div", element("label", label, for_=name), said, input_, class_="field")


def choice(kind: str, name: str, value: str, label: str, *, chosen: bool) -> Html:
    """Return a labelled ``checkbox`` or ``radio``."""
    input_ = element("input", type=kind, name=name, value=value, checked=chosen)
    return element("label", input_, element("span", label), class_="choice")


def group(legend: str, *children: str) -> Html:
    """Return fields that answer one question."""
    return element("fieldset", element("legend", legend), *children)


def button(label: str, *, name: str = "", value: str = "", plain: bool = False) -> Html:
    """Return what sends a form; a `plain` one is the lesser choice."""
    return element(
        "button",
        label,
        type="submit",
        name=name or False,
        value=value or False,
        class_="plain" if plain else False,
    )


def said(text: str, *, wrong: bool = False) -> Html:
    """Return a message that screen readers speak when the page opens."""
    return element(
        "p", text, role="alert" if wrong else "status", class_="wrong" if wrong else "said"
    )


def _attribute(key: str, value: object) -> str:
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{escape(str(value))}"'
