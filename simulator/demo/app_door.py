"""Lets people into the app of the demonstration at once: the app is registered, four people have an account.

Both are done as an operator and a person do them: by the server's command line, and by filling in the page on which
somebody chooses a password. Everybody here has the same password, which is printed: invented people, loopback only.
"""

import asyncio
import os
import sys
from collections.abc import Mapping
from html.parser import HTMLParser
from typing import Final

import httpx

from simulator.demo.cast import HOUSEHOLDS, NURSE, Person

CLIENT: Final = "home-dialysis-app"
NAME: Final = "Home dialysis"
PASSWORD: Final = "four homes tonight"  # noqa: S105 - printed for everybody who looks at the demonstration
_KINDS: Final = {
    "Practitioner": "practitioner",
    "RelatedPerson": "related-person",
    "Patient": "patient",
}


class DoorError(RuntimeError):
    """The app could not be registered, or somebody could not be given an account."""


def people() -> tuple[tuple[str, Person], ...]:
    """Return who may sign in, each with a login name: the nurse, partners of two homes, a patient."""
    first, second = HOUSEHOLDS[0], HOUSEHOLDS[1]
    return (
        ("nina", NURSE),
        ("bob", first.partner),
        ("luis", second.partner),
        ("ann", first.patient),
    )


async def open_door(url: str, settings: Mapping[str, str]) -> None:
    """Register the app at `url`/app/ and make the accounts; what is there already stays as it is.

    `settings` are those the server was started with. Raises DoorError.
    """
    app = f"{url}/app/"
    known = await _command(settings, "clients", "list")
    if CLIENT not in known:
        await _command(
            settings, "clients", "add", NAME, "--public", "--client-id", CLIENT,
            "--redirect-uri", app, "--launch-uri", f"{app}launch.html",
        )  # fmt: skip
    accounts = await _command(settings, "accounts", "list")
    have = {line.split("\t")[0] for line in accounts.splitlines()}
    for login, person in people():
        if login in have:
            continue
        role = f"{_KINDS[person.resource]}:{person.reference}"
        said = await _command(
            settings, "accounts", "add", login, "--name", person.name, "--role", role
        )
        await _choose_password(said.strip().splitlines()[-1])


async def _command(settings: Mapping[str, str], *words: str) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "fhirserver",
        *words,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **settings},
    )
    said, wrong = await process.communicate()
    if process.returncode:
        raise DoorError(f"{' '.join(words)}: {wrong.decode(errors='replace').strip()}")
    return said.decode()


async def _choose_password(link: str) -> None:
    address, _, code = link.partition("#")
    async with httpx.AsyncClient(follow_redirects=True, timeout=30.0) as browser:
        page = await browser.get(address)
        fields = _Fields()
        fields.feed(page.text)
        target = page.url.join("/auth/start")
        answer = await browser.post(
            target, data={**fields.found, "code": code, "new": PASSWORD, "again": PASSWORD}
        )
        if not answer.is_success:
            raise DoorError(f"a password was refused: {answer.status_code}")


class _Fields(HTMLParser):
    """What stands in the fields of the page's form."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = {name: value or "" for name, value in attrs}
        if tag == "input" and "name" in known:
            self.found[known["name"]] = known.get("value", "")
