"""The app in a real browser against the whole server, its broker, simulated homes and a phone company.

A clinic's wall, a care partner, a patient. What the app promises: docs/app.md.
"""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e import browser_pages
from tests.e2e.app_house import House, accessible, equipped, house, sign_in

# A demonstration is a whole server, four homes and a phone company, and takes a minute to be ready.
pytestmark = pytest.mark.slow

_PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    equipped()
    with house(tmp_path_factory.mktemp("app") / "told") as running:
        yield running


@pytest.fixture
def chromium(homes: House) -> Iterator[Any]:
    with browser_pages.browser() as opened:
        yield opened


def _row(page: Any, name: str) -> Any:
    return page.get_by_role("listitem").filter(has_text=name)


def _said(page: Any, words: str) -> None:
    page.get_by_text(words).first.wait_for()


class _Network:
    """The way between a page and its server, which can be cut and mended."""

    def __init__(self, page: Any) -> None:
        self.is_cut = False
        self._sockets: list[Any] = []
        page.route("**/fhir/**", self._request)
        page.route_web_socket(re.compile("/ws/"), self._socket)

    def cut(self) -> None:
        self.is_cut = True
        for socket in self._sockets:
            socket.close(code=1012, reason="the network is gone")
        self._sockets.clear()

    def mend(self) -> None:
        self.is_cut = False

    def _request(self, route: Any) -> None:
        if self.is_cut:
            route.abort()
        else:
            route.continue_()

    def _socket(self, socket: Any) -> None:
        if self.is_cut:
            socket.close(code=1012, reason="the network is gone")
            return
        self._sockets.append(socket)
        socket.connect_to_server()


def test_a_needle_slips_the_wall_shows_it_the_partner_answers_and_the_wall_shows_who_comes(
    homes: House, chromium: Any
) -> None:
    wall = chromium.new_page()
    sign_in(wall, homes, "nina")
    wall.locator("[data-connection=live]").wait_for()
    for name in ("Ann Fischer", "Carmen Ortega", "Grace Miller", "Henry Novak"):
        _row(wall, name).wait_for()
    accessible(wall)
    before = len(homes.messages_to("Bob Fischer"))

    homes.begin("wetness", "home-a")
    ann = _row(wall, "Ann Fischer")
    ann.get_by_text("Go now").wait_for()
    ann.get_by_text("Bob Fischer was told, no answer yet").wait_for()

    while len(homes.messages_to("Bob Fischer")) == before:
        wall.wait_for_timeout(200)
    code = re.search(r"ALERT (\w{4})", homes.messages_to("Bob Fischer")[-1])
    assert code is not None
    homes.answer("Bob Fischer", f"{code[1]}y")
    ann.get_by_text("Bob Fischer is coming").wait_for()
    homes.answer("Bob Fischer", f"{code[1]}h")
    ann.get_by_text("Bob Fischer is at the patient").wait_for()

    ann.get_by_role("link", name="Ann Fischer").click()
    wall.get_by_role("heading", name="Ann Fischer").wait_for()
    wall.get_by_role("link", name="Why").first.click()
    _said(wall, "Somebody is at the patient")
    homes.end("home-a")


def test_every_page_is_accessible_on_a_wall_and_on_a_phone_by_day_and_by_night(
    homes: House, chromium: Any
) -> None:
    page = chromium.new_page()
    page.goto(homes.app)
    page.get_by_role("button", name="Sign in").wait_for()
    accessible(page)
    sign_in(page, homes, "nina")
    _row(page, "Grace Miller").wait_for()
    flag = homes.ask("clinician", "Flag?patient=Patient/demo-patient-c&_sort=-date")["entry"][0]
    chart = "#/patient/demo-patient-c"
    pages = (
        ("#/", "Patients at home"),
        (chart, "Grace Miller"),
        (f"{chart}/alert/{flag['resource']['id']}", "why?"),
    )
    for scheme, size in (("light", {"width": 1440, "height": 900}), ("dark", _PHONE)):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size(size)
        for place, heading in pages:
            page.goto(homes.app + place)
            page.get_by_role("heading", level=1).filter(has_text=heading).wait_for()
            page.locator("main").filter(has_text="Loading").wait_for(state="detached")
            accessible(page)
            wide = page.evaluate("document.documentElement.scrollWidth > innerWidth + 1")
            assert not wide, f"{place} has to be scrolled sideways at {size}"


def test_a_person_who_does_not_allow_it_and_one_who_ends_it_are_told_so(
    homes: House, chromium: Any
) -> None:
    page = chromium.new_page()
    sign_in(page, homes, "bob", allow=False)
    page.get_by_role("alert").wait_for()
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="Allow", exact=True).click()
    page.get_by_role("heading", name="People you look after").wait_for()
    _row(page, "Ann Fischer").wait_for()
    assert page.get_by_role("list", name="Patients").get_by_role("listitem").count() == 1

    other = chromium.new_page()
    other.goto(f"{homes.url}/auth/manage")
    other.get_by_role("button", name="End this: Home dialysis").first.click()
    other.get_by_text("There are none.").wait_for()
    _said(page, "Your sign-in has ended")
    assert page.get_by_text("Ann Fischer").count() == 0


def test_a_patient_sees_their_own_page_and_signs_out(homes: House, chromium: Any) -> None:
    page = chromium.new_page()
    sign_in(page, homes, "ann")
    page.get_by_role("heading", name="Ann Fischer").wait_for()
    page.get_by_role("button", name=re.compile("m OK")).click()
    _said(page, "Recorded.")
    page.get_by_role("button", name="Sign out").click()
    _said(page, "You are signed out")
    page.reload()
    page.get_by_role("button", name="Sign in").wait_for()


def test_a_lost_connection_is_an_alarm_and_nothing_is_missing_when_it_is_back(
    homes: House, chromium: Any
) -> None:
    page = chromium.new_page()
    network = _Network(page)
    sign_in(page, homes, "nina")
    page.locator("[data-connection=live]").wait_for()
    ended = page.get_by_role("alert").filter(has_text="This screen hears no alarms")
    assert ended.count() == 0

    network.cut()
    homes.begin("blood-leak", "home-a")
    ended.wait_for()
    page.locator("[data-connection=lost]").wait_for()

    network.mend()
    page.locator("[data-connection=live]").wait_for()
    ended.wait_for(state="detached")
    # The row names the worst of what may be several; the chart has them all.
    _row(page, "Ann Fischer").get_by_role("link").click()
    page.get_by_role("heading", name="Ann Fischer").wait_for()
    _said(page, "Blood leak in the filter")
    homes.end("home-a")


def test_what_the_server_has_not_committed_is_not_confirmed(homes: House, chromium: Any) -> None:
    page = chromium.new_page()
    network = _Network(page)
    sign_in(page, homes, "nina")
    _row(page, "Henry Novak").get_by_role("link").click()
    page.get_by_role("heading", name="Henry Novak").wait_for()
    network.cut()
    page.get_by_role("button", name="They are OK").click()
    _said(page, "Not confirmed.")
    assert page.get_by_text("Recorded.").count() == 0
    network.mend()
    page.get_by_role("button", name="They are OK").click()
    _said(page, "Recorded.")
