"""Stands before every route but the stations' own: whose token is it, what may its role do?"""

from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import parse_qs

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse
from starlette.datastructures import Headers
from starlette.routing import Match
from starlette.types import ASGIApp, Receive, Scope, Send

from meterseal.collector.access import ALLOWED, LOGIN, STATIONS, Route
from meterseal.collector.body import read_body
from meterseal.collector.intake import as_json
from meterseal.collector.tokens import LiveTokens

COOKIE: Final = "__Host-meterseal"
_FLAGS: Final = "Path=/; Secure; HttpOnly; SameSite=Strict"
_DAY_S: Final = 86_400
_MAX_FORM_LEN: Final = 4096
_BEARER: Final = "bearer "
_PAGE: Final = """<!doctype html><html lang="en"><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>Meterseal</title>
<body style="font-family:sans-serif;max-width:24rem;margin:4rem auto;padding:0 1rem">
<h1>Meterseal</h1><p role="alert">%s</p><form method="post" action="/login">
<label>Access token <input name="token" type="password" autocomplete="current-password" autofocus
 style="width:100%%;font-size:1rem;padding:.5rem"></label>
<p><button style="font-size:1rem;padding:.5rem 1rem">Log in</button></p></form></body></html>"""


class Guard:
    """An ASGI application before the collector's own."""

    def __init__(self, app: FastAPI, tokens: LiveTokens) -> None:
        self._app: ASGIApp = app
        self._routes = app.router.routes
        self._tokens = tokens

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection event, as ASGI has it."""
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, scope: Scope) -> Response | None:
        route = self._route(scope)
        if route is None or route in STATIONS or route in LOGIN or self._tokens.open:
            return None
        headers = Headers(scope=scope)
        holder = self._tokens.holder(_credential(headers))
        if holder is None:
            return _unknown(headers, scope["method"])
        scope.setdefault("state", {})["holder"] = holder
        if holder.role in ALLOWED.get(route, ()):
            return None
        text = f"expected a role that may do this, found {holder.role}"
        return _refuse(
            403, "role-forbidden", text, "Ask the operator for a token of another role."
        )

    def _route(self, scope: Scope) -> Route | None:
        """The route as declared; None: there is none, and the application says so itself."""
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        for route in self._routes:
            match, _ = route.matches(scope)
            if match is Match.FULL:
                return method, getattr(route, "path", "")
        return None


def _credential(headers: Headers) -> str:
    """The token of a request; empty if it brings none."""
    given = headers.get("authorization", "")
    if given.lower().startswith(_BEARER):
        return given[len(_BEARER) :].strip()
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""


def _unknown(headers: Headers, method: str) -> Response:
    """A person is led to the page where one logs in; a program gets told."""
    if method == "GET" and "text/html" in headers.get("accept", ""):
        return Response(status_code=303, headers={"Location": "/login"})
    text = "expected an access token that counts, found none"
    remedy = "Send Authorization: Bearer TOKEN; see `meterseal collect token`."
    return _refuse(401, "token-unknown", text, remedy)


def _refuse(status: int, code: str, text: str, remedy: str) -> Response:
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    body = as_json({"code": code, "error": text, "remedy": remedy})
    return Response(body, status, headers, "application/json")


def add_login(app: FastAPI, tokens: LiveTokens) -> None:
    """`/login` and `/logout` for browsers: the token becomes a cookie that no script can read."""

    @app.get("/login", response_class=HTMLResponse, include_in_schema=False)
    async def get_login() -> str:
        """Where one enters a token."""
        return _PAGE % ""

    @app.post("/login", include_in_schema=False)
    async def post_login(request: Request) -> Response:
        """A token that counts becomes a cookie of one day."""
        body = await read_body(request.headers.raw, request.receive, _MAX_FORM_LEN)
        secret = parse_qs(body.decode("latin-1")).get("token", [""])[0].strip()
        if tokens.holder(secret) is None:
            return HTMLResponse(_PAGE % "This token opens nothing.", 401)
        cookie = f"{COOKIE}={secret}; Max-Age={_DAY_S}; {_FLAGS}"
        return Response(status_code=303, headers={"Location": "/", "Set-Cookie": cookie})

    @app.post("/logout", include_in_schema=False)
    async def post_logout() -> Response:
        """The cookie is forgotten."""
        cookie = f"{COOKIE}=; Max-Age=0; {_FLAGS}"
        return Response(status_code=303, headers={"Location": "/login", "Set-Cookie": cookie})
