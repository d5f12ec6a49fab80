"""The words of the pages, in English and Spanish; plain words, because the pages are for everybody."""

from typing import Final, Literal

Language = Literal["en", "es"]

_WORDS: Final[dict[str, tuple[str, str]]] = {
    "sign-in": ("Sign in", "Iniciar sesión"),
    "login": ("Login name", "Nombre de usuario"),
    "password": ("Password", "Contraseña"),
    "passkey-sign-in": ("Sign in with a passkey", "Iniciar sesión con una llave de acceso"),
    "or": ("Or", "O bien"),
    "passkey-failed": (
        "The passkey did not work. Try again, or use your password.",
        "La llave de acceso no funcionó. Inténtelo de nuevo o use su contraseña.",
    ),
    "forgotten": (
        "Forgotten your password? Ask your clinic for a new code.",
        "¿Olvidó su contraseña? Pida un código nuevo a su clínica.",
    ),
    "have-code": ("I have a code to set my password", "Tengo un código para crear mi contraseña"),
    "wrong": (
        "The login name or the password is not right.",
        "El nombre de usuario o la contraseña no son correctos.",
    ),
    "paused": (
        "Too many tries. Wait until {time} (UTC) and try again, or use a passkey.",
        "Demasiados intentos. Espere hasta las {time} (UTC) e inténtelo de nuevo, o use una llave de acceso.",
    ),
    "form-old": (
        "The page was open for too long. Please try again.",
        "La página estuvo abierta demasiado tiempo. Inténtelo de nuevo.",
    ),
    "logged-off": (
        "You were signed out because nothing was done for a while.",
        "Se cerró su sesión porque no hubo actividad durante un tiempo.",
    ),
    "signed-out": ("You are signed out.", "Ha cerrado la sesión."),
    "confirm-first": (
        "Sign in again to change how you sign in.",
        "Inicie sesión de nuevo para cambiar cómo inicia sesión.",
    ),
    "second-factor": ("Confirm that it is you", "Confirme que es usted"),
    "factor-code": ("Code", "Código"),
    "factor-hint": (
        "The six digits in your authenticator app, or one of your recovery codes.",
        "Los seis dígitos de su aplicación de autenticación, o uno de sus códigos de recuperación.",
    ),
    "continue": ("Continue", "Continuar"),
    "wrong-code": ("The code is not right.", "El código no es correcto."),
    "account": ("Your account", "Su cuenta"),
    "signed-in-as": ("You are signed in as {name}.", "Ha iniciado sesión como {name}."),
    "roles": ("You act as", "Usted actúa como"),
    "no-roles": (
        "Your account is linked to nobody yet. Ask your clinic.",
        "Su cuenta todavía no está vinculada a nadie. Consulte a su clínica.",
    ),
    "sessions": ("Where you are signed in", "Dónde ha iniciado sesión"),
    "this-session": ("This browser", "Este navegador"),
    "session-since": ("since {time} (UTC)", "desde {time} (UTC)"),
    "end-session": ("Sign out there", "Cerrar esa sesión"),
    "end-others": ("Sign out everywhere else", "Cerrar todas las demás sesiones"),
    "others-ended": ("The other sessions are closed.", "Las demás sesiones están cerradas."),
    "sign-out": ("Sign out", "Cerrar sesión"),
    "apps": ("Apps that may use your data", "Aplicaciones que pueden usar sus datos"),
    "no-apps": ("There are none.", "No hay ninguna."),
    "end-app": ("End this", "Terminar esto"),
    "how": ("How you sign in", "Cómo inicia sesión"),
    "change-password": ("Change the password", "Cambiar la contraseña"),
    "old-password": ("Password of now", "Contraseña actual"),
    "new-password": ("New password", "Contraseña nueva"),
    "password-hint": (
        "At least 12 characters. Several words that do not belong together are good.",
        "Al menos 12 caracteres. Varias palabras que no tengan relación son una buena opción.",
    ),
    "again": ("New password again", "Repita la contraseña nueva"),
    "unequal": ("The two are not the same.", "Las dos no son iguales."),
    "short": (
        "The password is too short: 12 characters at least.",
        "La contraseña es muy corta: 12 caracteres como mínimo.",
    ),
    "long": (
        "The password is too long: 128 characters at most.",
        "La contraseña es muy larga: 128 caracteres como máximo.",
    ),
    "common": (
        "This password is one of those that are guessed first.",
        "Esta contraseña es una de las primeras que se adivinan.",
    ),
    "personal": (
        "The password is mostly your name.",
        "La contraseña es casi toda su nombre.",
    ),
    "old-wrong": ("The password of now is not right.", "La contraseña actual no es correcta."),
    "password-changed": (
        "The password is changed. Other sessions are closed.",
        "La contraseña se cambió. Las demás sesiones están cerradas.",
    ),
    "save": ("Save", "Guardar"),
    "back": ("Back to your account", "Volver a su cuenta"),
    "factors": ("Second factors", "Segundos factores"),
    "factors-needed": (
        "Your account opens health records of others. It needs a second factor before you can go on.",
        "Su cuenta da acceso a datos de salud de otras personas. Necesita un segundo factor para continuar.",
    ),
    "no-factors": ("You have none yet.", "Todavía no tiene ninguno."),
    "totp": ("Authenticator app", "Aplicación de autenticación"),
    "passkey": ("Passkey", "Llave de acceso"),
    "added": ("added {time}", "añadido el {time}"),
    "remove": ("Remove", "Quitar"),
    "add-totp": ("Add an authenticator app", "Añadir una aplicación de autenticación"),
    "add-passkey": ("Add a passkey", "Añadir una llave de acceso"),
    "passkeys-script": (
        "Passkeys need a browser that knows them, with scripts switched on.",
        "Las llaves de acceso necesitan un navegador que las admita y con scripts activados.",
    ),
    "totp-scan": (
        "Scan this with your authenticator app, or type the key into it.",
        "Escanee esto con su aplicación de autenticación o escriba la clave en ella.",
    ),
    "totp-picture": ("QR code of the key below", "Código QR de la clave de abajo"),
    "totp-key": ("Key", "Clave"),
    "totp-code": ("Code the app shows now", "Código que muestra ahora la aplicación"),
    "recovery": ("Recovery codes", "Códigos de recuperación"),
    "recovery-hint": (
        "Each works once, when you do not have your second factor. They are shown only now: write them down.",
        "Cada uno sirve una vez, cuando no tenga su segundo factor. Solo se muestran ahora: anótelos.",
    ),
    "recovery-left": (
        "{count} recovery codes are left.",
        "Quedan {count} códigos de recuperación.",
    ),
    "new-recovery": ("Make new recovery codes", "Crear códigos de recuperación nuevos"),
    "start": ("Set your password", "Cree su contraseña"),
    "start-code": ("Code from your clinic", "Código de su clínica"),
    "start-wrong": (
        "The code is not right, was used already or is too old. Ask your clinic for a new one.",
        "El código no es correcto, ya se usó o caducó. Pida uno nuevo a su clínica.",
    ),
    "start-done": (
        "Your password is set. Sign in now.",
        "Su contraseña está creada. Inicie sesión.",
    ),
    "join": ("Accept an invitation", "Aceptar una invitación"),
    "join-code": ("Code of the invitation", "Código de la invitación"),
    "join-known": ("I have an account: sign in first", "Tengo una cuenta: iniciar sesión primero"),
    "join-name": ("Your name", "Su nombre"),
    "join-login": ("Login name you would like", "Nombre de usuario que desea"),
    "join-taken": ("This login name is taken.", "Ese nombre de usuario ya existe."),
    "join-done": (
        "The invitation is accepted. You now act as {reference}.",
        "La invitación está aceptada. Ahora actúa como {reference}.",
    ),
    "join-wrong": (
        "The invitation is not good: unknown, used, withdrawn or older than seven days.",
        "La invitación no es válida: desconocida, usada, retirada o de hace más de siete días.",
    ),
    "consent-title": ("An app asks for access", "Una aplicación pide acceso"),
    "consent": (
        "Do you let “{client}” use health data?",
        "¿Permite que «{client}» use datos de salud?",
    ),
    "change-role": ("Act as somebody else", "Actuar en otra función"),
    "consent-who": (
        "Signed in as {name}. The answer goes to {host}.",
        "Sesión de {name}. La respuesta va a {host}.",
    ),
    "consent-as": ("Choose whom you act as", "Elegir en qué función actúa"),
    "consent-patient": ("Whose data", "Los datos de quién"),
    "consent-given": ("Data of: {patient}", "Datos de: {patient}"),
    "consent-encounter": ("Which visit", "Qué visita"),
    "encounter-title": ("Which visit is it about?", "¿De qué visita se trata?"),
    "encounter": (
        "Choose the visit that “{client}” is opened for.",
        "Elija la visita para la que se abre «{client}».",
    ),
    "encounter-without": ("None of these", "Ninguna de estas"),
    "encounter-none": ("No visit was found.", "No se encontró ninguna visita."),
    "encounter-earlier": ("Show earlier visits", "Mostrar visitas anteriores"),
    "encounter-undated": ("without a date", "sin fecha"),
    "encounter-planned": ("planned", "prevista"),
    "encounter-arrived": ("arrived", "paciente presente"),
    "encounter-triaged": ("assessed", "paciente valorado"),
    "encounter-in-progress": ("going on", "en curso"),
    "encounter-onleave": ("on leave", "con permiso de salida"),
    "encounter-finished": ("finished", "terminada"),
    "encounter-cancelled": ("cancelled", "cancelada"),
    "consent-find": ("Find a patient by name", "Buscar un paciente por nombre"),
    "consent-find-button": ("Find", "Buscar"),
    "consent-none": ("No patient was found.", "No se encontró ningún paciente."),
    "consent-scopes": ("What the app may do", "Qué puede hacer la aplicación"),
    "allow": ("Allow", "Permitir"),
    "deny": ("Do not allow", "No permitir"),
    "leaving": ("Going on to the app", "Continuando a la aplicación"),
    "born": ("born {date}", "nac. {date}"),
    "unnamed": ("unnamed", "sin nombre"),
    "kind-admin": ("administrator", "administrador"),
    "kind-clinic-admin": ("clinic administrator", "administrador de la clínica"),
    "kind-practitioner": ("clinician", "profesional clínico"),
    "kind-technician": ("technician", "técnico"),
    "kind-related-person": ("care partner", "cuidador"),
    "kind-patient": ("patient", "paciente"),
}


def words(language: Language, key: str, **values: str) -> str:
    """Return the text called `key`, with `values` put in."""
    found = _WORDS[key][0 if language == "en" else 1]
    return found.format(**values) if values else found


def language_of(accepted: str) -> Language:
    """Return the language that an Accept-Language header asks for first, English when it asks for neither."""
    ranked = sorted(
        (
            (-_quality(weight), at, name.strip().lower()[:2])
            for at, (name, _, weight) in enumerate(
                part.partition(";") for part in accepted.split(",")[:20]
            )
        ),
    )
    for quality, _, name in ranked:
        if quality < 0 and name in ("en", "es"):
            return "es" if name == "es" else "en"
    return "en"


def _quality(weight: str) -> float:
    _, _, value = weight.partition("=")
    try:
        return float(value) if value.strip() else 1.0
    except ValueError:
        return 0.0
