"""Scopes in words: what a person is asked to allow, with the scope itself behind it.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html
"""

from typing import Final

from fhirserver.accounts.texts import Language
from fhirserver.auth.scopes import Scope, read_scopes

_PLAIN: Final[dict[str, tuple[str, str]]] = {
    "openid": ("know that it is you who signs in", "saber que es usted quien inicia sesión"),
    "fhirUser": ("know who you are in the record", "saber quién es usted en el registro"),
    "profile": ("know who you are in the record", "saber quién es usted en el registro"),
    "launch": ("know what it was started for", "saber para qué se inició"),
    "launch/patient": ("know which patient you chose", "saber qué paciente eligió"),
    "launch/encounter": ("know which visit this is about", "saber de qué visita se trata"),
    "offline_access": (
        "go on when you are not signed in, until you end it",
        "continuar cuando usted no tenga la sesión abierta, hasta que usted lo termine",
    ),
    "online_access": (
        "go on as long as you are signed in",
        "continuar mientras usted tenga la sesión abierta",
    ),
}
_WHOSE: Final[dict[str, tuple[str, str]]] = {
    "patient": ("of this patient", "de este paciente"),
    "user": ("of everybody you may see", "de todas las personas que usted puede ver"),
    "system": ("of everybody", "de todas las personas"),
}
_DEEDS: Final = (
    ("rs", ("read", "leer")),
    ("c", ("add", "añadir")),
    ("u", ("change", "cambiar")),
    ("d", ("delete", "borrar")),
)
_TYPES: Final[dict[str, tuple[str, str]]] = {
    "*": ("everything", "todo"),
    "AllergyIntolerance": ("allergies", "alergias"),
    "Appointment": ("appointments", "citas"),
    "CarePlan": ("care plans", "planes de cuidado"),
    "CareTeam": ("care team", "equipo de cuidado"),
    "Communication": ("messages", "mensajes"),
    "Condition": ("conditions", "afecciones"),
    "Consent": ("consents", "consentimientos"),
    "Device": ("devices", "dispositivos"),
    "DiagnosticReport": ("reports", "informes"),
    "DocumentReference": ("documents and notes", "documentos y notas"),
    "Encounter": ("visits", "visitas"),
    "Flag": ("alarms", "alarmas"),
    "Goal": ("goals", "objetivos"),
    "Immunization": ("vaccinations", "vacunas"),
    "MedicationRequest": ("prescriptions", "recetas"),
    "Observation": ("measurements", "mediciones"),
    "Patient": ("name and personal details", "nombre y datos personales"),
    "Procedure": ("procedures", "procedimientos"),
    "Task": ("tasks", "tareas"),
}


def meaning(language: Language, text: str) -> str:
    """Return what allowing the scope `text` means, the scope itself at the end in brackets."""
    at = 0 if language == "en" else 1
    plain = _PLAIN.get(text)
    if plain is not None:
        return f"{plain[at]} [{text}]"
    said = "; ".join(_resource(at, one) for one in read_scopes(text).resources)
    return f"{said} [{text}]" if said else text


def _resource(at: int, scope: Scope) -> str:
    deeds = [words[at] for letters, words in _DEEDS if set(letters) & set(scope.letters)]
    what = _TYPES.get(scope.type, (scope.type, scope.type))[at]
    only = f" ({scope.filter})" if scope.filter else ""
    return f"{', '.join(deeds)}: {what}{only} {_WHOSE[scope.context][at]}"
