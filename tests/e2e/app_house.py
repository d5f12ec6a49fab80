"""The whole demonstration with the app in it: server, broker, four homes, phone company; and people at browsers.

What is missing on a machine (chromium, the app's build) is said in the reason for which tests are skipped.
"""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from conformance.load.server import free_port
from simulator.demo.app_door import PASSWORD
from tests.conftest import make_data_directory
from tests.e2e import browser_pages
from tests.patience import PATIENCE_SECONDS

BUILD = Path(__file__).parents[2] / "apps" / "dist" / "index.html"
_AXE = Path(__file__).parents[2] / "apps" / "node_modules" / "axe-core" / "axe.min.js"
_READY_SECONDS = 600.0


@dataclass
class House:
    """A demonstration that runs: its app, its phones, and what happens in its homes."""

    url: str
    demo: dict[str, Any]
    page: str

    @property
    def app(self) -> str:
        return f"{self.url}/app/"

    def begin(self, scenario: str, home: str) -> None:
        """Let something happen in a home (``home-a``)."""
        self._control({"do": "start", "scenario": scenario, "device": home})

    def end(self, home: str) -> None:
        self._control({"do": "stop", "device": home})

    def messages_to(self, name: str) -> list[str]:
        """What was texted to somebody, the oldest first."""
        return [one["body"] for one in self._phone(name)["messages"] if one["incoming"]]

    def answer(self, name: str, text: str) -> None:
        """Somebody types an answer into their phone."""
        phone = self._phone(name)
        url = f"{self.demo['phone']}/phones/{phone['number']}/messages"
        assert httpx.post(url, json={"body": text}, timeout=PATIENCE_SECONDS).is_success

    def ask(self, who: str, path: str) -> Any:
        """What the record says to the holder of a token of the demonstration."""
        headers = {"authorization": f"Bearer {self.demo['tokens'][who]}"}
        answer = httpx.get(f"{self.demo['base']}/{path}", headers=headers, timeout=PATIENCE_SECONDS)
        assert answer.is_success, answer.text
        return answer.json()

    def _phone(self, name: str) -> dict[str, Any]:
        phones = httpx.get(f"{self.demo['phone']}/phones", timeout=PATIENCE_SECONDS).json()
        return next(one for one in phones if one["name"] == name)

    def _control(self, what: dict[str, str]) -> None:
        answer = httpx.post(
            f"{self.page.rstrip('/')}/api/control", json=what, timeout=PATIENCE_SECONDS
        )
        assert answer.is_success, answer.text


def equipped() -> None:
    """Skip where the app was not built or there is no browser."""
    browser_pages.program()
    if not BUILD.is_file():
        # CI builds it where npm answers; what it is made of is tested by `make app` itself.
        pytest.skip("the app is not built: run `make app` (needs npm, or brings Node as a wheel)")


@contextmanager
def house(out: Path) -> Iterator[House]:
    """Run the demonstration until the block ends; `out` keeps what it tells."""
    data = make_data_directory()
    port = free_port()
    places = {"PORT": str(port), "MQTT_PORT": str(free_port()), "NATS_PORT": "0"}
    with (
        out.open("w") as told,
        subprocess.Popen(
            [sys.executable, "-m", "simulator", "demo"],
            env=os.environ | places | {"DATA": str(data)},
            stdout=told,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        try:
            known = data / "demo.json"
            deadline = time.monotonic() + _READY_SECONDS
            while not known.is_file() or "The app: " not in out.read_text():
                assert process.poll() is None, out.read_text()
                assert time.monotonic() < deadline, out.read_text()
                # A server of its own process tells nobody when it is ready: its output is looked at.
                time.sleep(0.2)
            url = f"http://127.0.0.1:{port}"
            page = httpx.get(f"{url}/", timeout=PATIENCE_SECONDS).headers["location"]
            yield House(url, orjson.loads(known.read_bytes()), page)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait()
            shutil.rmtree(data)


def sign_in(page: Any, house: House, login: str, *, allow: bool = True) -> None:
    """Open the app, sign in and answer what the app may do."""
    page.goto(house.app)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("Login name").fill(login)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.get_by_role("button", name="Allow" if allow else "Do not allow", exact=True).click()
    page.wait_for_url(f"{house.app}**")


def accessible(page: Any) -> None:
    """Find nothing that axe finds wrong with what is on the screen."""
    if not _AXE.is_file():
        # It comes with what the app is built of: without it there is nothing to judge by.
        pytest.skip("axe-core is not installed: run `make app`")
    page.evaluate(_AXE.read_text())
    found = page.evaluate("axe.run()")["violations"]
    assert not found, [(one["id"], one["nodes"][0]["html"]) for one in found]
