"""What an operator can set about the way in: addresses, TLS, proxies, and how often one may ask."""

from dataclasses import dataclass

from fhirserver import setting_forms as forms
from fhirserver.setting_field import setting


@dataclass(frozen=True, slots=True)
class EdgeSettings:
    """The first part of `fhirserver.settings.Settings`."""

    host: str = setting("HOST", "127.0.0.1", "Address the HTTP server listens on.")
    port: int = setting("PORT", "8080", "Port the HTTP server listens on.", forms.port)
    public_url: str = setting(
        "PUBLIC_URL",
        "",
        "URL under which others reach this server, without /fhir; default is HOST and PORT. "
        "Stands in links, in the CapabilityStatement and in what the SMS provider calls back.",
        forms.web_url,
    )
    origins: tuple[str, ...] = setting(
        "CORS_ORIGINS",
        "*",
        "Origins whose pages may call the FHIR API and open websockets, separated by commas; * for any, empty for "
        "none. Callers need a bearer token in any case.",
        forms.origins,
    )
    tls_certificate: str = setting(
        "TLS_CERT",
        "",
        "Certificate chain (PEM file) the HTTP server shows; with TLS_KEY it speaks https, TLS 1.2 or newer. Without "
        "both it speaks plain HTTP, for a TLS proxy in front.",
        forms.file_path,
    )
    tls_key: str = setting(
        "TLS_KEY", "", "Private key (PEM file) of that certificate.", forms.file_path
    )
    mqtt_tls_certificate: str = setting(
        "MQTT_TLS_CERT",
        "",
        "Certificate chain (PEM file) the embedded broker shows devices; with MQTT_TLS_KEY they must speak TLS 1.2 or "
        "newer at MQTT_PORT (8883 is usual).",
        forms.file_path,
    )
    mqtt_tls_key: str = setting(
        "MQTT_TLS_KEY", "", "Private key (PEM file) of that certificate.", forms.file_path
    )
    proxies: tuple[str, ...] = setting(
        "PROXIES",
        "",
        "Addresses or networks of the proxies in front, separated by commas. X-Forwarded-For and -Proto are believed "
        "from these alone, and from nobody when it is empty.",
        forms.networks,
    )
    rate_account: int = setting(
        "RATE_ACCOUNT",
        "30000",
        "FHIR requests a minute of one account, entries of bundles among them; 0 for any number. All at once or spread, "
        "counted in each process that answers. More are answered 429 with Retry-After.",
        forms.count,
    )
    rate_client: int = setting(
        "RATE_CLIENT",
        "300000",
        "FHIR requests a minute of one registered app, of all its users together; 0 for any number.",
        forms.count,
    )
    rate_strangers: int = setting(
        "RATE_STRANGERS",
        "600",
        "Requests a minute from one address that show no token known to be good, and to pages outside /fhir; 0 for any "
        "number.",
        forms.count,
    )
    rate_sign_in: int = setting(
        "RATE_SIGN_IN",
        "60",
        "Attempts a minute from one address to sign in or to register an app; 0 for any number.",
        forms.count,
    )
    rate_alarms: int = setting(
        "RATE_ALARMS",
        "60000",
        "Requests a minute from one address on the way of an alarm: the telephone company's calls, answer pages and "
        "new websockets; 0 for any number.",
        forms.count,
    )
    hl7_ports: tuple[str, ...] = setting(
        "HL7_PORTS",
        "",
        "Ports for HL7 v2 over MLLP with the tenant each belongs to, as 2575=home, separated by commas; empty: none.",
        forms.ports_of_tenants,
    )
    hl7_host: str = setting("HL7_HOST", "127.0.0.1", "Address they listen on.")
    hl7_tls: str = setting(
        "HL7_TLS",
        "",
        "on: TLS with TLS_CERT and TLS_KEY; client: senders must show a certificate too (HL7_CLIENT_CA); off: plain "
        "text. Empty is off, on this machine only.",
        forms.interface_tls,
    )
    hl7_client_ca: str = setting(
        "HL7_CLIENT_CA",
        "",
        "Certificates (PEM file) of those who issue the senders' certificates.",
        forms.file_path,
    )
    hl7_out_certificate: str = setting(
        "HL7_OUT_CERT",
        "",
        "Certificate chain (PEM file) shown to receivers of HL7 v2 that ask for one; with HL7_OUT_KEY.",
        forms.file_path,
    )
    hl7_out_key: str = setting(
        "HL7_OUT_KEY", "", "Private key (PEM file) of that certificate.", forms.file_path
    )
    hl7_site: str = setting(
        "HL7_SITE",
        "",
        "Directory of YAML files: who sends, and the site's own mappings (docs/hl7v2.md).",
        forms.directory,
    )
    hl7_message_bytes: int = setting(
        "HL7_MESSAGE_BYTES", "1048576", "The longest message that is taken.", forms.at_least_one
    )
    hl7_idle_seconds: int = setting(
        "HL7_IDLE_SECONDS",
        "3600",
        "How long a connection may say nothing; within a message it is 30 s.",
        forms.some_seconds,
    )
    hl7_connections: int = setting(
        "HL7_CONNECTIONS", "200", "Connections at once to each of these ports.", forms.at_least_one
    )
    hl7_connections_peer: int = setting(
        "HL7_CONNECTIONS_PEER", "50", "Of these from one address.", forms.at_least_one
    )
    hl7_keep_days: int = setting(
        "HL7_KEEP_DAYS",
        "30",
        "Days messages are kept as they came. So long a message that is sent again is known.",
        forms.at_least_one,
    )
