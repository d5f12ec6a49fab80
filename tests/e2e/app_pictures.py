"""The pictures of docs/app.md, taken of the app as it is: `python -m tests.e2e.app_pictures` writes them.

The demonstration runs, so the people in them are invented and the alarms its own story.
"""

import sys
import tempfile
from pathlib import Path
from typing import Any, Final

from tests.e2e import browser_pages
from tests.e2e.app_house import House, house, sign_in

PLACE: Final = Path(__file__).parents[2] / "docs" / "app"
_WALL: Final = {"width": 1280, "height": 760}
_PHONE: Final = {"width": 390, "height": 844}
# The story of the demonstration is told half a minute after it is ready.
_STORY_MS: Final = 45_000
_SETTLED_MS: Final = 6_000


def pictures(page: Any, homes: House) -> None:
    """Take each main view by day on a desk and by night on a phone."""
    sign_in(page, homes, "nina")
    page.locator("[data-connection=live]").wait_for()
    page.wait_for_timeout(_STORY_MS)
    flag = homes.ask("clinician", "Flag?patient=Patient/demo-patient-b&_sort=-date")["entry"][0]
    chart = "#/patient/demo-patient-b"
    views = {
        "list": "#/",
        "patient": chart,
        "alert": f"{chart}/alert/{flag['resource']['id']}",
    }
    for kind, scheme, size in (("desk", "light", _WALL), ("phone", "dark", _PHONE)):
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size(size)
        for name, place in views.items():
            page.goto(homes.app + place)
            page.wait_for_timeout(_SETTLED_MS)
            page.screenshot(path=PLACE / f"{name}-{kind}.png")


def main() -> None:
    """Write the pictures."""
    PLACE.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as kept,
        house(Path(kept) / "told") as homes,
        browser_pages.browser() as opened,
    ):
        pictures(opened.new_page(), homes)
    print(f"written: {', '.join(sorted(one.name for one in PLACE.iterdir()))}", file=sys.stderr)


if __name__ == "__main__":
    main()
