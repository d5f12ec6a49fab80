"""People in a real browser: they set passwords, make passkeys, let apps of others in; every page is accessible.

The apps know SMART App Launch and nothing of us: the JavaScript and the Python client of the SMART project.
"""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from fhirclient import client as smart
from fhirclient.models.patient import Patient

from conformance.load import server
from tests.conftest import make_data_directory
from tests.e2e import browser_pages
from tests.e2e.conftest import wait_until_refused
from tests.e2e.operator_shell import Operator, operator
from tests.integration.accounts.conftest import Forms
from tests.patience import PATIENCE_SECONDS

PASSWORD = "three quiet lamps"
_SCRIPT = "fhirclient/build/fhir-client.js"
_AXE = "axe-core/axe.min.js"
_HTML = "text/html; charset=utf-8"
_LAUNCH = """<!doctype html><title>launch</title><script src="fhir-client.js"></script>
<script>FHIR.oauth2.authorize({clientId: new URLSearchParams(location.search).get("client") || "%s",
scope: "%s", redirectUri: "app.html", iss: "%s", pkceMode: "required"})</script>"""
_APP = """<!doctype html><title>app</title><script src="fhir-client.js"></script><pre id="said"></pre>
<script>
const say = (what) => { document.getElementById("said").textContent = JSON.stringify(what); };
FHIR.oauth2.ready().then(async (client) => {
  const patient = await client.patient.read();
  const found = await client.request("Observation?patient=" + client.patient.id);
  say({name: patient.name[0].family, user: client.user.fhirUser, observations: (found.entry || []).length,
       scope: client.state.tokenResponse.scope, encounter: client.encounter.id,
       refused: await client.request("Condition?patient=" + client.patient.id).then(() => 200, (e) => e.statusCode || e.status)});
}).catch((error) => say({error: String(error)}));
</script>"""


@dataclass
class Home:
    """A running server reached as localhost, as passkeys need it, and where the app is."""

    url: str
    app: str
    admin: httpx.Client
    operator: Operator

    def put(self, resource: dict[str, Any]) -> None:
        answer = self.admin.put(f"{resource['resourceType']}/{resource['id']}", json=resource)
        assert answer.status_code in (200, 201), answer.text


def _seed(home: Home) -> None:
    for id_, name in (("ann", "Abend"), ("joe", "Joch")):
        home.put({"resourceType": "Patient", "id": id_, "name": [{"family": name}]})
    home.put({"resourceType": "Practitioner", "id": "nina"})
    home.put(
        {"resourceType": "RelatedPerson", "id": "bob", "patient": {"reference": "Patient/ann"}}
    )
    for id_, members in (
        ("ann", ("Practitioner/nina", "RelatedPerson/bob")),
        ("joe", ("Practitioner/nina",)),
    ):
        home.put(
            {
                "resourceType": "CareTeam",
                "id": f"team-{id_}",
                "status": "active",
                "subject": {"reference": f"Patient/{id_}"},
                "participant": [{"member": {"reference": one}} for one in members],
            }
        )
    home.put(
        {
            "resourceType": "Observation",
            "id": "pressure",
            "status": "final",
            "code": {"coding": [{"system": "http://loinc.org", "code": "8480-6"}]},
            "subject": {"reference": "Patient/ann"},
            "effectiveDateTime": "2026-03-04T05:06:07Z",
            "valueQuantity": {
                "value": 120,
                "unit": "mmHg",
                "system": "http://unitsofmeasure.org",
                "code": "mm[Hg]",
            },
        }
    )
    home.put(
        {
            "resourceType": "Encounter",
            "id": "visit",
            "status": "in-progress",
            "class": {"code": "HH"},
            "subject": {"reference": "Patient/ann"},
        }
    )


# Looked for before any server starts: what is missing is told at once.
@pytest.fixture(scope="session")
def equipped() -> None:
    """Skip the test where there is no browser, or not what its pages load."""
    browser_pages.program()
    for path in (_SCRIPT, _AXE):
        browser_pages.library(path)


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    """A server with two patients, a nurse and a care partner, who has an account; and a registered app."""
    script = browser_pages.LIBRARIES / _SCRIPT
    with ExitStack() as stack:
        data = make_data_directory()
        stack.callback(shutil.rmtree, data)
        port = server.free_port()
        url = f"http://localhost:{port}"
        scopes = "launch/patient openid fhirUser patient/Patient.rs patient/Observation.rs patient/Condition.rs"
        files = {
            "/fhir-client.js": (
                "text/javascript",
                script.read_bytes() if script.is_file() else b"",
            ),
            "/app.html": (_HTML, _APP.encode()),
            "/launch.html": (_HTML, (_LAUNCH % ("standalone", scopes, f"{url}/fhir")).encode()),
            "/ehr.html": (
                _HTML,
                (
                    _LAUNCH.replace(', iss: "%s"', "")
                    % ("standalone", "launch openid fhirUser patient/*.rs")
                ).encode(),
            ),
        }
        app = stack.enter_context(browser_pages.site(files))
        process = stack.enter_context(server.running({"PUBLIC_URL": url}, data=data, port=port))
        admin = stack.enter_context(
            httpx.Client(
                base_url=f"{url}/fhir/",
                headers={
                    "authorization": f"Bearer {process.place.admin_token()}",
                    "content-type": "application/fhir+json",
                },
                timeout=PATIENCE_SECONDS,
            )
        )
        beside = stack.enter_context(operator({"DATA": str(data), "PUBLIC_URL": url}))
        opened = Home(url, app, admin, beside)
        _seed(opened)
        opened.operator.command(
            "clients", "add", "Blood pressure diary", "--public", "--client-id", "standalone",
            "--redirect-uri", f"{app}/app.html", "--launch-uri", f"{app}/ehr.html",
        )  # fmt: skip
        yield opened


@pytest.fixture
def chromium(equipped: None) -> Iterator[Any]:
    with browser_pages.browser() as opened:
        yield opened


def _account(home: Home, login: str, *roles: str) -> str:
    """Make an account; return the link by which its person sets a password."""
    options = [word for role in roles for word in ("--role", role)]
    said = home.operator.command("accounts", "add", login, "--name", login.title(), *options)
    return said.strip().splitlines()[-1]


def _accessible(page: Any) -> None:
    """Find nothing that axe finds wrong; the policy of the pages would refuse its script as a tag."""
    page.evaluate(browser_pages.library(_AXE).read_text())
    found = page.evaluate("axe.run()")["violations"]
    assert not found, [(one["id"], one["nodes"][0]["html"]) for one in found]


def _set_password(page: Any, link: str) -> None:
    page.goto(link)
    assert "#" not in page.url, "the code leaves the address bar"
    _accessible(page)
    page.get_by_label("New password", exact=True).fill(PASSWORD)
    page.get_by_label("New password again").fill(PASSWORD)
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Your password is set").wait_for()


def _sign_in(page: Any, login: str) -> None:
    page.get_by_label("Login name").fill(login)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()


def _said(page: Any) -> dict[str, Any]:
    page.wait_for_url("**/app.html*")
    page.wait_for_function("document.getElementById('said').textContent")
    said: dict[str, Any] = page.evaluate("JSON.parse(document.getElementById('said').textContent)")
    return said


def test_a_javascript_app_of_others_launches_by_itself_and_reads(home: Home, chromium: Any) -> None:
    page = chromium.new_page()
    _set_password(page, _account(home, "bob", "related-person:RelatedPerson/bob"))
    page.goto(f"{home.app}/launch.html")
    page.get_by_label("Login name").wait_for()
    _accessible(page)
    _sign_in(page, "bob")
    page.get_by_text("Blood pressure diary").wait_for()
    _accessible(page)
    page.get_by_label("conditions").uncheck()
    page.get_by_role("button", name="Allow", exact=True).click()
    said = _said(page)
    assert said["name"] == "Abend", said
    assert said["user"] == "RelatedPerson/bob"
    assert said["observations"] == 1
    assert "Condition" not in said["scope"], "the person left it out"
    assert said["refused"] == 403

    page.goto(f"{home.url}/auth/manage")
    page.get_by_role("heading", name="Apps that may use your data").wait_for()
    _accessible(page)
    page.get_by_role("button", name="End this: Blood pressure diary").click()
    page.get_by_text("There are none.").wait_for()

    # The app, still open elsewhere, has nothing in its hands any more.
    wait_until_refused()
    page.goto(f"{home.app}/app.html")
    assert "401 Unauthorized" in _said(page)["error"]


@pytest.mark.slow
def test_an_ehr_starts_the_app_for_a_patient_and_a_visit(home: Home, chromium: Any) -> None:
    page = chromium.new_page()
    _set_password(page, _account(home, "nina", "practitioner:Practitioner/nina"))
    _sign_in(page, "nina")
    page.get_by_text("needs a second factor").wait_for()
    _accessible(page)

    # A passkey, made by the browser's own authenticator.
    devtools = page.context.new_cdp_session(page)
    devtools.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    page.get_by_role("button", name="Add a passkey").click()
    page.get_by_role("heading", name="Recovery codes").wait_for()
    _accessible(page)
    page.get_by_role("link", name="Continue").click()
    page.get_by_role("heading", name="Your account").wait_for()
    _accessible(page)
    for path, heading in (
        ("/auth/factors", "Second factors"),
        ("/auth/totp", "Add an authenticator app"),
        ("/auth/password", "Change the password"),
        ("/auth/role", "You act as"),
    ):
        page.goto(home.url + path)
        page.get_by_role("heading", name=heading).first.wait_for()
        _accessible(page)
    page.goto(f"{home.url}/auth/account")
    page.get_by_role("button", name="Sign out", exact=True).click()

    issued = home.admin.post(
        "$issue-token",
        json={
            "resourceType": "Parameters",
            "parameter": [
                {"name": "kind", "valueCode": "practitioner"},
                {"name": "reference", "valueString": "Practitioner/nina"},
            ],
        },
    ).json()
    token = next(one["valueString"] for one in issued["parameter"] if one["name"] == "token")
    launched = httpx.post(
        f"{home.url}/fhir/$launch",
        json={
            "resourceType": "Parameters",
            "parameter": [
                {"name": "patient", "valueId": "ann"},
                {"name": "encounter", "valueId": "visit"},
                {"name": "client", "valueString": "standalone"},
            ],
        },
        headers={"authorization": f"Bearer {token}", "content-type": "application/fhir+json"},
        timeout=PATIENCE_SECONDS,
    )
    assert launched.status_code == 200, launched.text
    handle = launched.json()["parameter"][0]["valueString"]
    page.goto(f"{home.app}/ehr.html?iss={home.url}/fhir&launch={handle}")
    page.get_by_role("button", name="Sign in with a passkey").click()
    page.get_by_text("Data of: Abend").wait_for()
    _accessible(page)
    page.get_by_role("button", name="Allow", exact=True).click()
    said = _said(page)
    assert (said["name"], said["encounter"]) == ("Abend", "visit"), said
    assert said["user"] == "Practitioner/nina"

    page.goto(f"{home.app}/ehr.html?iss={home.url}/fhir&launch={handle}")
    said = _said(page)
    assert "launch" in said["error"], "a handle is good once"


@pytest.mark.slow
def test_a_python_app_of_others_launches_by_itself_and_reads(home: Home) -> None:
    """The person's part is filled in as their browser would send it, without any script."""
    home.operator.command(
        "clients", "add", "Python diary", "--public", "--client-id", "python",
        "--redirect-uri", "http://localhost:9/app",
    )  # fmt: skip
    link = _account(home, "ann", "patient:Patient/ann")
    address, _, code = link.partition("#")
    with httpx.Client(follow_redirects=True, timeout=PATIENCE_SECONDS) as person:
        page = person.get(address)
        _submit(person, page, "/auth/start", code=code, new=PASSWORD, again=PASSWORD)
        app = smart.FHIRClient(
            settings={
                "app_id": "python",
                "api_base": f"{home.url}/fhir",
                "redirect_uri": "http://localhost:9/app",
                "scope": "launch/patient openid fhirUser patient/Patient.rs",
            }
        )
        page = person.get(app.authorize_url)
        page = _submit(person, page, "/auth/login", login="ann", password=PASSWORD)
        person.follow_redirects = False
        page = _submit(person, page, "/auth/authorize/decide", decision="allow")
        app.handle_callback(page.headers["location"])
        assert app.patient.name[0].family == "Abend"
        assert Patient.read("ann", app.server).id == "ann"
        with pytest.raises(Exception, match=r"40[34]"):
            Patient.read("joe", app.server)
        listed = home.operator.command("accounts", "list")
        assert "ann\tAnn\tpatient:Patient/ann\tno second factor\t1 signed in" in listed
        home.operator.command("accounts", "disable", "ann")
        wait_until_refused()
        with pytest.raises(Exception, match="401"):
            Patient.read("ann", app.server)
        app.server.session.close()


def _submit(
    person: httpx.Client, page: httpx.Response, action: str, **values: str
) -> httpx.Response:
    parser = Forms()
    parser.feed(page.text)
    fields = next(dict(known) for at, known in parser.forms if at == action)
    url = page.url.join(action)
    return person.post(url, data={**fields, **{name: [value] for name, value in values.items()}})
