"""The app's files are served as they are, and nothing beside them; a server without a build says what to do."""

import gzip
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from fhirserver.rest.app_pages import app_pages

URL = "https://fhir.example.org"


def browser(directory: Path) -> httpx.AsyncClient:
    app = Starlette(routes=list(app_pages(str(directory), URL + "/")))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=URL)


@pytest.fixture
def built(tmp_path: Path) -> Path:
    directory = tmp_path / "dist"
    (directory / "assets").mkdir(parents=True)
    (directory / "index.html").write_text("<title>app</title>")
    script = directory / "assets" / "index-a1b2.js"
    script.write_text("start()")
    script.with_name("index-a1b2.js.gz").write_bytes(gzip.compress(b"start()"))
    (tmp_path / "secret").write_text("keyring")
    return directory


async def test_the_app_is_at_one_address(built: Path) -> None:
    async with browser(built) as client:
        door = await client.get("/app")
        page = await client.get("/app/")

    assert door.headers["location"] == f"{URL}/app/"
    assert page.text == "<title>app</title>"
    assert page.headers["cache-control"] == "no-cache"


async def test_a_page_of_the_app_loads_and_calls_this_server_alone(built: Path) -> None:
    async with browser(built) as client:
        policy = (await client.get("/app/")).headers["content-security-policy"]

    said = dict(one.strip().split(" ", 1) for one in policy.split(";"))
    assert said["default-src"] == "'none'"
    assert said["script-src"] == "'self'"
    assert said["connect-src"] == "'self'"
    assert said["frame-ancestors"] == "'none'"


async def test_files_named_by_their_content_are_packed_and_kept(built: Path) -> None:
    async with browser(built) as client:
        packed = await client.get("/app/assets/index-a1b2.js")
        plain = await client.get(
            "/app/assets/index-a1b2.js", headers={"accept-encoding": "identity"}
        )

    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.text == plain.text == "start()"
    assert "immutable" in packed.headers["cache-control"]
    assert packed.headers["content-type"].startswith("text/javascript")


@pytest.mark.parametrize(
    "path",
    ["/app/nothing.js", "/app/../secret", "/app/%2e%2e/secret", "/app/assets", "/app//etc/passwd"],
)
async def test_nothing_beside_the_files_is_served(built: Path, path: str) -> None:
    async with browser(built) as client:
        answer = await client.get(path)

    assert answer.status_code == 404
    assert "keyring" not in answer.text


async def test_without_a_build_the_page_says_what_to_do_and_one_that_comes_is_served(
    tmp_path: Path,
) -> None:
    async with browser(tmp_path / "dist") as client:
        before = await client.get("/app/")
        (tmp_path / "dist").mkdir()
        (tmp_path / "dist" / "index.html").write_text("built")
        after = await client.get("/app/")

    assert before.status_code == 503
    assert "make app" in before.text
    assert after.text == "built"
