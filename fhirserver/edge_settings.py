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
        "6000",
        "FHIR requests a minute of one account; 0 for any number. All at once or spread, counted in each process that "
        "answers. More are answered 429 with Retry-After.",
        forms.count,
    )
    rate_client: int = setting(
        "RATE_CLIENT",
        "60000",
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
