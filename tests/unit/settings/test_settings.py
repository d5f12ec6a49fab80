"""Settings: defaults, refusals that say what to do, and the way to children and back."""

from pathlib import Path

import pytest

from fhirserver.settings import Settings, SettingsError

EXTERNAL_BROKER = {
    "NATS_URL": "nats://server:secret@broker:4222",
    "NATS_AUTHENTICATOR_URL": "nats://authenticator:secret@broker:4222",
    "NATS_CALLOUT_SEED": "SAA",
}


def test_nothing_set_means_a_private_server_on_this_machine() -> None:
    settings = Settings.from_environment({})
    assert (settings.host, settings.port, settings.data) == ("127.0.0.1", 8080, Path("./.data"))
    assert (settings.mqtt_host, settings.mqtt_port) == ("127.0.0.1", 1883)
    assert settings.database_url == settings.nats_url == ""
    assert not settings.demo
    assert not settings.allow_insecure_endpoints
    assert settings.workers == (
        ("api",),
        ("ingest",),
        ("engine", "deliver"),
        ("watchdog",),
    )
    assert settings.fhir_base == "http://127.0.0.1:8080/fhir"


def test_public_url_replaces_host_and_port_in_links() -> None:
    settings = Settings.from_environment({"PUBLIC_URL": "https://fhir.example.org/"})
    assert settings.fhir_base == "https://fhir.example.org/fhir"


COMPANY = {
    "SMS_URL": "https://sms.example.org",
    "SMS_ACCOUNT": "AC1",
    "SMS_TOKEN": "secret",
    "SMS_FROM": "+15551234567",
}


@pytest.mark.parametrize(
    ("host", "local"),
    [("0.0.0.0", "http://127.0.0.1:8080"), ("::", "http://[::1]:8080"), ("h", "http://h:8080")],
)
def test_health_is_asked_here_and_not_at_the_public_url(host: str, local: str) -> None:
    settings = Settings.from_environment({"HOST": host, "PUBLIC_URL": "https://fhir.example.org"})
    assert settings.local_url == local


def test_ipv6_address_is_bracketed_in_the_base() -> None:
    assert Settings.from_environment({"HOST": "::1"}).base_url == "http://[::1]:8080"


def test_settings_survive_the_way_to_a_child_process() -> None:
    settings = Settings.from_environment(
        {
            **EXTERNAL_BROKER,
            "PORT": "0",
            "ROLES": "api,api,ingest+engine+deliver",
            "CORS_ORIGINS": "https://app.example.org, https://b.example.org/",
            "DEMO": "yes",
            "DATA": "/srv/data",
            "SUBSCRIPTION_NETWORKS": "10.20.0.0/16, fd00:1::/32",
            "SUBSCRIPTION_CHANNELS": "house.pager:pager",
            "SMTP_HOST": "mail.example.org",
            "SMTP_FROM": "alerts@example.org",
            "WATCHDOG_SMTP_URL": "smtps://u:p@mail.example.org",
            "WATCHDOG_PING_SECONDS": "15",
            "SYNTHETIC_SECONDS": "0",
            "DATABASE_URL": "postgresql://u:p@/db?host=%2Ftmp&port=1",
        }
    )
    assert Settings.from_environment(settings.environment()) == settings


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("PORT", "http", "give a port number"),
        ("PORT", "65536", "give a port number"),
        ("PORT", "-1", "give a port number"),
        ("PORT", "٣", "give a port number"),
        ("PUBLIC_URL", "fhir.example.org", "http:// or https://"),
        ("PUBLIC_URL", "https://", "http:// or https://"),
        ("DATABASE_URL", "mysql://localhost/db", "postgresql://"),
        ("NATS_URL", "localhost:4222", "nats://"),
        ("DEMO", "maybe", "say 1 or 0"),
        ("CORS_ORIGINS", "app.example.org", "give origins like"),
        ("ROLES", "api,cook", "'cook' is no role"),
        ("ROLES", "", "is no role"),
        ("ROLES", "api,engine+watchdog", "a process of its own"),
        ("WATCHDOG_PHONE", "5551234567", "+15551234567"),
        ("WATCHDOG_SMTP_URL", "mail.example.org", "smtp://"),
        ("WATCHDOG_PING_SECONDS", "1.5", "whole seconds"),
        ("SYNTHETIC_SECONDS", "-1", "whole seconds"),
        ("LOG_LEVEL", "loud", "choose one of debug"),
        ("SUBSCRIPTION_NETWORKS", "10.20.0.1/16", "give networks"),
        ("SUBSCRIPTION_NETWORKS", "the hospital", "give networks"),
        ("SUBSCRIPTION_CHANNELS", "package.module", "package.module:factory"),
        ("SMTP_SECURITY", "ssl", "choose one of starttls"),
        ("SMTP_FROM", "Alerts <alerts@example.org>", "give a mailbox"),
    ],
)
def test_wrong_value_names_the_variable_and_the_remedy(name: str, value: str, remedy: str) -> None:
    with pytest.raises(SettingsError, match=f"{name} is .*") as refusal:
        Settings.from_environment({name: value})
    assert remedy in str(refusal.value)


def test_every_problem_is_named_at_once() -> None:
    with pytest.raises(SettingsError) as refusal:
        Settings.from_environment({"PORT": "x", "DEMO": "x"})
    assert len(str(refusal.value).splitlines()) == 2


@pytest.mark.parametrize(
    ("environment", "reason"),
    [
        ({"NATS_URL": "nats://broker:4222"}, "belong together"),
        ({"SMS_URL": "https://sms.example.org"}, "SMS_URL, SMS_ACCOUNT"),
        ({**COMPANY, "SMS_URL_2": "https://b.example.org"}, "SMS_URL_2, SMS_ACCOUNT_2"),
        (
            {f"{name}_2": value for name, value in COMPANY.items()},
            "SMS_URL_2, SMS_ACCOUNT_2",
        ),
        ({**COMPANY, "SMS_URL": "smpps://b.example.org", "SMS_TOKEN": "123456789"}, "SMPP takes"),
        ({**COMPANY, "SMS_URL": "smpp://b.example.org", "SMS_ACCOUNT": "ü"}, "SMPP takes"),
        ({"DEMO": "1", "HOST": "0.0.0.0"}, "switch DEMO off"),
        ({"SMTP_HOST": "mail.example.org"}, "SMTP_HOST and SMTP_FROM"),
        ({"WATCHDOG_MAIL_TO": "op@example.org"}, "needs a mail server"),
        ({"WATCHDOG_PHONE": "+15551234567"}, "WATCHDOG_PHONE, WATCHDOG_SMS_URL"),
        ({"SMTP_USERNAME": "us"}, "SMTP_USERNAME and SMTP_PASSWORD"),
        (
            {
                "SMTP_HOST": "mail.example.org",
                "SMTP_FROM": "a@example.org",
                "SMTP_SECURITY": "none",
            },
            "on this machine",
        ),
    ],
)
def test_contradictions_are_refused(environment: dict[str, str], reason: str) -> None:
    with pytest.raises(SettingsError, match=reason):
        Settings.from_environment(environment)


def test_secrets_are_neither_in_repr_nor_in_refusals() -> None:
    secret = "mysql://user:hunter2@db/x"
    with pytest.raises(SettingsError) as refusal:
        Settings.from_environment({"DATABASE_URL": secret})
    assert "hunter2" not in str(refusal.value)
    assert "secret" not in repr(Settings.from_environment(EXTERNAL_BROKER))


def test_each_setting_has_a_name_of_its_own_and_a_sentence() -> None:
    described = Settings.describe()
    assert len({item.name for item in described}) == len(described)
    assert all(item.meaning.endswith(".") for item in described)


def test_two_companies_in_their_order() -> None:
    second = {"SMS_URL_2": "smpps://b.example.org:3551", "SMS_ACCOUNT_2": "clinic"}
    second |= {"SMS_TOKEN_2": "12345678", "SMS_FROM_2": "+15557654321"}
    settings = Settings.from_environment({**COMPANY, **second})
    assert settings.companies == (
        ("https://sms.example.org", "AC1", "secret", "+15551234567"),
        ("smpps://b.example.org:3551", "clinic", "12345678", "+15557654321"),
    )
    assert settings.sms_links


@pytest.mark.parametrize("url", ["ftp://sms.example.org", "smpps://", "sms.example.org"])
def test_a_company_is_spoken_to_by_rest_or_smpp(url: str) -> None:
    with pytest.raises(SettingsError, match="SMS_URL"):
        Settings.from_environment({**COMPANY, "SMS_URL": url})


def test_with_a_certificate_the_server_is_https(tmp_path: Path) -> None:
    for name in ("chain.pem", "key.pem"):
        (tmp_path / name).touch()
    files = {"TLS_CERT": str(tmp_path / "chain.pem"), "TLS_KEY": str(tmp_path / "key.pem")}
    settings = Settings.from_environment(files)
    assert settings.base_url == "https://127.0.0.1:8080"
    assert Settings.from_environment(settings.environment()) == settings


def test_half_a_certificate_is_refused(tmp_path: Path) -> None:
    chain = tmp_path / "chain.pem"
    chain.touch()
    for name, told in (
        ("TLS_CERT", "TLS_KEY"),
        ("MQTT_TLS_CERT", "MQTT_TLS_KEY"),
        ("HL7_OUT_CERT", "HL7_OUT_KEY"),
    ):
        with pytest.raises(SettingsError, match=f"{told} belong together"):
            Settings.from_environment({name: str(chain)})
    with pytest.raises(SettingsError, match="no such file"):
        Settings.from_environment({"TLS_KEY": str(tmp_path / "nothing.pem")})


def test_an_https_server_has_no_plain_public_url(tmp_path: Path) -> None:
    for name in ("chain.pem", "key.pem"):
        (tmp_path / name).touch()
    with pytest.raises(SettingsError, match="https://"):
        Settings.from_environment(
            {
                "TLS_CERT": str(tmp_path / "chain.pem"),
                "TLS_KEY": str(tmp_path / "key.pem"),
                "PUBLIC_URL": "http://fhir.example.org",
            }
        )


@pytest.mark.parametrize("value", ["-1", "many", "1.5", ""])
def test_a_rate_is_a_number(value: str) -> None:
    with pytest.raises(SettingsError, match="RATE_ACCOUNT"):
        Settings.from_environment({"RATE_ACCOUNT": value})
