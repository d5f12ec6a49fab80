"""The text of nats-server's configuration file, pure.

Three accounts keep apart who must not meet: DEVICES holds everything a device says (MQTT sessions,
the JetStream streams behind QoS 1), AUTH only the question "may this one come in?"
(https://docs.nats.io/running-a-nats-service/configuration/securing_nats/auth_callout) and the order
to end a connection, SYS the broker's own events. Nobody connects without a name and a password: whoever is not one of the two
processes of ours listed here is a device, and the server is asked about it.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

DEVICE_ACCOUNT: Final = "DEVICES"
SERVER_USER: Final = "server"
AUTHENTICATOR_USER: Final = "authenticator"
LARGEST_MESSAGE: Final = 256 * 1024
# A week of four homes is megabytes; a thousand devices that nobody listens to fill this in days.
LARGEST_STORE: Final = 8 * 1024 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class BrokerConfig:
    """Everything the broker must know."""

    server_name: str
    client_host: str
    client_port: int
    mqtt_host: str
    mqtt_port: int
    store: Path
    log_file: Path
    pid_file: Path
    server_password: str
    authenticator_password: str
    store_key: str
    issuer: str
    mqtt_certificate: str = ""
    mqtt_key: str = ""


def render(config: BrokerConfig) -> str:
    """Return the configuration file."""
    return f"""\
# Written by the supervisor at every start; changes are overwritten.
server_name: {quoted(config.server_name)}
listen: {quoted(config.client_host, config.client_port)}
max_payload: {LARGEST_MESSAGE}
log_file: {quoted(config.log_file)}
pid_file: {quoted(config.pid_file)}
logfile_size_limit: 16MB
logfile_max_num: 4

jetstream {{
  store_dir: {quoted(config.store)}
  cipher: aes
  key: {quoted(config.store_key)}
  max_memory_store: 64MB
  max_file_store: {LARGEST_STORE}
}}

mqtt {{
  listen: {quoted(config.mqtt_host, config.mqtt_port)}
  # A device that has not confirmed a message (our acknowledgement, a command) gets it again.
  ack_wait: "10s"
{_mqtt_tls(config)}}}

accounts {{
  {DEVICE_ACCOUNT} {{
    jetstream: enabled
    users: [{{ user: {quoted(SERVER_USER)}, password: {quoted(config.server_password)} }}]
  }}
  AUTH {{
    users: [{{
      user: {quoted(AUTHENTICATOR_USER)}, password: {quoted(config.authenticator_password)}
    }}]
    # Who lets devices in also ends their connections.
    imports: [
      {{ service: {{ account: SYS, subject: "$SYS.REQ.SERVER.PING.CONNZ" }} }}
      {{ service: {{ account: SYS, subject: "$SYS.REQ.SERVER.*.KICK" }} }}
    ]
  }}
  SYS {{
    exports: [
      {{ service: "$SYS.REQ.SERVER.PING.CONNZ", response: stream, accounts: [AUTH] }}
      {{ service: "$SYS.REQ.SERVER.*.KICK", accounts: [AUTH] }}
    ]
  }}
}}
system_account: SYS

authorization {{
  # A device waits this long (s) for the server's answer before it is refused.
  timeout: 2
  auth_callout {{
    issuer: {quoted(config.issuer)}
    account: AUTH
    auth_users: [ {quoted(SERVER_USER)}, {quoted(AUTHENTICATOR_USER)} ]
  }}
}}
"""


def _mqtt_tls(config: BrokerConfig) -> str:
    """Return the block by which devices must speak TLS, "" where they speak plain MQTT."""
    if not config.mqtt_certificate:
        return ""
    return f"""\
  tls {{
    cert_file: {quoted(config.mqtt_certificate)}
    key_file: {quoted(config.mqtt_key)}
    min_version: "1.2"
    # A cellular modem that wakes up needs its time (s).
    timeout: 10
  }}
"""


def quoted(*parts: object) -> str:
    """Return `parts`, joined by colons, as a string of the configuration language (as in JSON)."""
    return json.dumps(":".join(str(part) for part in parts))
