"""Who may ask the collector for what: the one table of it.

A route that is in none of these is refused to everybody as soon as there are tokens; a test walks
all routes and fails for it. Stations have no token: what they send and get is signed, and mutual
TLS (`--client-ca`) can keep others from their routes.
"""

from typing import Final

VIEWER, TECHNICIAN, OPERATOR, AUDITOR = ROLES = ("viewer", "technician", "operator", "auditor")

Route = tuple[str, str]
"""Method and path, as the route is declared."""

STATIONS: Final[frozenset[Route]] = frozenset(
    {
        ("POST", "/v1/batches"),
        ("GET", "/v1/head"),
        ("GET", "/v1/time"),
        ("GET", "/v1/update"),
        ("GET", "/v1/update/file"),
        ("GET", "/healthz"),
        ("GET", "/readyz"),
    }
)
"""The stations' own, and what tells whether the collector is well."""

LOGIN: Final[frozenset[Route]] = frozenset(
    {("GET", "/login"), ("POST", "/login"), ("POST", "/logout")}
)

_EVERYONE: Final = frozenset(ROLES)
_TECHNICAL: Final = frozenset({TECHNICIAN, OPERATOR, AUDITOR})
_EVIDENCE: Final = frozenset({OPERATOR, AUDITOR})

ALLOWED: Final[dict[Route, frozenset[str]]] = {
    ("GET", "/"): _EVERYONE,
    ("GET", "/stations/{device}"): _EVERYONE,
    ("GET", "/metrics"): _EVERYONE,
    ("POST", "/v1/verify"): _EVERYONE,
    ("GET", "/v1/receipt.pem"): _EVERYONE,
    ("GET", "/docs"): _EVERYONE,
    ("GET", "/docs/oauth2-redirect"): _EVERYONE,
    ("GET", "/redoc"): _EVERYONE,
    ("GET", "/openapi.json"): _EVERYONE,
    ("GET", "/updates"): _TECHNICAL,
    ("GET", "/v1/updates"): _TECHNICAL,
    ("GET", "/v1/export"): _EVIDENCE,
    ("GET", "/sessions"): _EVIDENCE,
    ("GET", "/v1/sessions"): _EVIDENCE,
}
