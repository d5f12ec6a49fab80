"""Settings that cannot all be meant, each told in one sentence with what to do."""

from typing import TYPE_CHECKING

from fhirserver.setting_forms import LOOPBACK

if TYPE_CHECKING:
    from fhirserver.settings import Settings


def contradictions(settings: "Settings") -> list[str]:
    """Return one sentence for each pair of settings that cannot both be meant."""
    return [
        *_doors(settings),
        *_interfaces(settings),
        *_broker(settings),
        *_telephones(settings),
        *_mail(settings),
        *_watchdog(settings),
    ]


def _doors(settings: "Settings") -> list[str]:
    found: list[str] = []
    for certificate, key, names in (
        (settings.tls_certificate, settings.tls_key, "TLS_CERT and TLS_KEY"),
        (settings.mqtt_tls_certificate, settings.mqtt_tls_key, "MQTT_TLS_CERT and MQTT_TLS_KEY"),
        (settings.hl7_out_certificate, settings.hl7_out_key, "HL7_OUT_CERT and HL7_OUT_KEY"),
    ):
        if bool(certificate) != bool(key):
            found.append(f"{names} belong together: set both, or none.")
    if settings.tls_certificate and settings.public_url.startswith("http://"):
        found.append("TLS_CERT makes this an https server: give PUBLIC_URL with https://.")
    if settings.demo and settings.host not in LOOPBACK:
        found.append(
            f"DEMO shows everything to whoever reaches HOST {settings.host}: "
            "use HOST 127.0.0.1, or switch DEMO off."
        )
    return found


def _interfaces(settings: "Settings") -> list[str]:
    found: list[str] = []
    if settings.hl7_ports and settings.hl7_host not in LOOPBACK and not settings.hl7_tls:
        found.append(
            f"HL7_HOST {settings.hl7_host} is reached from other machines: say HL7_TLS on or client, or off where "
            "nobody else can listen on the way."
        )
    if settings.hl7_tls in ("on", "client") and not settings.tls_certificate:
        found.append("HL7_TLS needs a certificate to show: set TLS_CERT and TLS_KEY.")
    if (settings.hl7_tls == "client") != bool(settings.hl7_client_ca):
        found.append("HL7_TLS client and HL7_CLIENT_CA belong together: set both, or none.")
    return found


def _broker(settings: "Settings") -> list[str]:
    found: list[str] = []
    broker = (settings.nats_url, settings.nats_authenticator_url, settings.nats_callout_seed)
    if any(broker) and not all(broker):
        found.append(
            "NATS_URL, NATS_AUTHENTICATOR_URL and NATS_CALLOUT_SEED belong together: "
            "set all three for a broker of your own, or none for the embedded one."
        )
    return found


def _telephones(settings: "Settings") -> list[str]:
    found: list[str] = []
    first, second = settings.companies
    if any(first) and not all(first):
        found.append(
            "SMS_URL, SMS_ACCOUNT, SMS_TOKEN and SMS_FROM belong together: set all four, or none."
        )
    if any(second) and not (all(second) and all(first)):
        found.append(
            "SMS_URL_2, SMS_ACCOUNT_2, SMS_TOKEN_2 and SMS_FROM_2 belong together, beside SMS_URL: "
            "set all four, or none."
        )
    for url, account, token, _ in (first, second):
        fits = len(account) <= 15 and len(token) <= 8 and (account + token).isascii()
        if url.startswith("smpp") and not fits:
            found.append("SMPP takes an account of 15 letters and a secret of 8 at most.")
    return found


def _mail(settings: "Settings") -> list[str]:
    found: list[str] = []
    if bool(settings.smtp_host) != bool(settings.smtp_from):
        found.append("SMTP_HOST and SMTP_FROM belong together: set both, or none.")
    if bool(settings.smtp_username) != bool(settings.smtp_password):
        found.append("SMTP_USERNAME and SMTP_PASSWORD belong together: set both, or none.")
    if (
        settings.smtp_security == "none"
        and settings.smtp_host
        and settings.smtp_host not in LOOPBACK
    ):
        found.append(
            "SMTP_SECURITY none would send health information readable for everybody on the "
            "way: use starttls or tls, or a mail server on this machine."
        )
    return found


def _watchdog(settings: "Settings") -> list[str]:
    found: list[str] = []
    if settings.watchdog_mail_to and not (settings.watchdog_smtp_url or settings.smtp_host):
        found.append("WATCHDOG_MAIL_TO needs a mail server: set WATCHDOG_SMTP_URL or SMTP_HOST.")
    company = (
        settings.watchdog_sms_url,
        settings.watchdog_sms_account,
        settings.watchdog_sms_token,
        settings.watchdog_sms_from,
        settings.watchdog_phone,
    )
    if any(company) and not all(company):
        found.append(
            "WATCHDOG_PHONE, WATCHDOG_SMS_URL, WATCHDOG_SMS_ACCOUNT, WATCHDOG_SMS_TOKEN and "
            "WATCHDOG_SMS_FROM belong together: set all five, or none."
        )
    return found
