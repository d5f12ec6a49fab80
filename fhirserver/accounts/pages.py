"""The pages as routes below ``/auth``, and the two files they load."""

from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fhirserver.accounts import answers
from fhirserver.accounts.account_page import AccountPage
from fhirserver.accounts.apps_page import MANAGE, AppsPage
from fhirserver.accounts.desk import Desk
from fhirserver.accounts.factor_pages import FactorPages
from fhirserver.accounts.join_page import JOIN, JoinPage
from fhirserver.accounts.sign_in import SignIn
from fhirserver.accounts.start_page import StartPage
from fhirserver.kernel.ports import RecordStore

_STATIC = files("fhirserver.accounts") / "static"


def routes(desk: Desk, store: RecordStore) -> list[Route]:
    """Return every page of people's accounts; invitations are taken up in `store`."""
    joining = JoinPage(desk, store)
    sign_in, account = SignIn(desk), AccountPage(desk)
    factors, start, apps = FactorPages(desk), StartPage(desk), AppsPage(desk)
    style = (_STATIC / "pages.css").read_bytes()
    script = (_STATIC / "passkey.js").read_bytes()

    async def show_style(_request: Request) -> Response:
        return answers.file(style, "text/css; charset=utf-8")

    async def show_script(_request: Request) -> Response:
        return answers.file(script, "text/javascript; charset=utf-8")

    get, post = ["GET"], ["POST"]
    return [
        Route(answers.STYLE, show_style, methods=get),
        Route(answers.SCRIPT, show_script, methods=get),
        Route("/auth/login", sign_in.show, methods=get),
        Route("/auth/login", sign_in.password, methods=post),
        Route("/auth/passkey", sign_in.passkey, methods=post),
        Route("/auth/second-factor", sign_in.second_factor, methods=get),
        Route("/auth/second-factor", sign_in.code, methods=post),
        Route("/auth/sign-out", sign_in.sign_out, methods=post),
        Route("/auth/account", account.show, methods=get),
        Route("/auth/role", account.choose_role, methods=get),
        Route("/auth/role", account.role, methods=post),
        Route("/auth/sessions", account.end, methods=post),
        Route("/auth/password", account.show_password, methods=get),
        Route("/auth/password", account.password, methods=post),
        Route("/auth/factors", factors.show, methods=get),
        Route("/auth/factors", factors.remove, methods=post),
        Route("/auth/totp", factors.show_totp, methods=get),
        Route("/auth/totp", factors.totp, methods=post),
        Route("/auth/passkeys", factors.passkey, methods=post),
        Route("/auth/recovery", factors.recovery, methods=post),
        Route("/auth/start", start.show, methods=get),
        Route("/auth/start", start.start, methods=post),
        Route(JOIN, joining.show, methods=get),
        Route(JOIN, joining.join, methods=post),
        Route(MANAGE, apps.show, methods=get),
        Route(MANAGE, apps.end, methods=post),
    ]
