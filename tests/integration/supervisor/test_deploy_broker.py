"""The broker configuration of docker-compose.yml, tried with the program itself."""

import subprocess
from pathlib import Path

from conformance.load.server import free_port
from fhirserver.supervisor import compose_secrets
from fhirserver.supervisor.broker import greets, nats_server

CONFIGURATION = Path(__file__).parents[3] / "deploy" / "nats.conf"


def test_compose_broker_starts_with_generated_secrets_and_lets_only_us_in(tmp_path: Path) -> None:
    environment = dict(
        line.split("=") for line in compose_secrets.lines(lambda count: b"\x11" * count)
    )
    client, mqtt, monitor = free_port(), free_port(), free_port()
    text = CONFIGURATION.read_text()
    for given, used in (
        ("0.0.0.0:4222", f"127.0.0.1:{client}"),
        ("0.0.0.0:1883", f"127.0.0.1:{mqtt}"),
        ("127.0.0.1:8222", f"127.0.0.1:{monitor}"),
        ("/data", str(tmp_path / "store")),
    ):
        assert given in text
        text = text.replace(given, used)
    configuration = tmp_path / "nats.conf"
    configuration.write_text(text)
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [nats_server(), "-c", str(configuration)], env=environment, stdout=output, stderr=output
        )
    try:
        while "Server is ready" not in log.read_text():
            assert process.poll() is None, log.read_text()
        for user, name in (
            ("server", "NATS_SERVER_PASSWORD"),
            ("authenticator", "NATS_AUTHENTICATOR_PASSWORD"),
        ):
            assert greets("127.0.0.1", client, user, environment[name])
            assert not greets("127.0.0.1", client, user, "guess")
    finally:
        process.terminate()
        process.wait()
