"""`meterseal collect token`: who may see what of a collector."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

_HELP = """Access tokens for people and programs: viewer, technician, operator, auditor.

Without any, a collector on this machine alone is open to everybody on it; one that others reach
does not start. A token goes into a login page (browser) or into `Authorization: Bearer` (program).

Examples:

    meterseal collect token add grafana --role viewer --data data

    meterseal collect token list --data data

    meterseal collect token revoke 1f2e3d4c --data data
"""
_Data = Annotated[Path, typer.Option(help="Directory of the collector.")]
_Json = Annotated[bool, typer.Option("--json", help="JSON on stdout.")]


def register(collect: typer.Typer) -> None:
    """Add the verb below `collect`."""
    verb = typer.Typer(help=_HELP, no_args_is_help=True)
    verb.command("add", help="Make a token; it is shown once.")(add)
    verb.command("list", help="Tokens, without their secrets.")(show)
    verb.command("revoke", help="Let a token open nothing any more, at once.")(revoke)
    collect.add_typer(verb, name="token")


def add(
    name: Annotated[str, typer.Argument(help="Who or what uses it.")],
    role: Annotated[str, typer.Option(help="viewer, technician, operator or auditor.")],
    data: _Data,
    days: Annotated[int, typer.Option(min=0, help="Valid for so many days; 0: for ever.")] = 0,
    as_json: _Json = False,
) -> None:
    """Make a token."""
    from meterseal.cli import output
    from meterseal.collector.tokens import add_token

    token, secret = add_token(data, name, role, days)
    if as_json:
        output.result_json({"id": token.id, "name": name, "role": role, "token": secret})
        return
    output.result(secret)
    output.note(f"token {token.id} of {name}, {role}; it is not shown again")


def show(data: _Data, as_json: _Json = False) -> None:
    """List tokens."""
    from meterseal.cli import output
    from meterseal.collector.tokens import read_tokens

    rows = [
        {
            "id": one.id,
            "name": one.name,
            "role": one.role,
            "made": _day(one.made_unix_s),
            "expires": _day(one.expires_unix_s),
            "revoked": _day(one.revoked_unix_s),
        }
        for one in read_tokens(data)
    ]
    if as_json:
        output.result_json(rows)
        return
    names = ("id", "name", "role", "made", "expires", "revoked")
    output.table(names, [[row[name] for name in names] for row in rows])


def revoke(
    token: Annotated[str, typer.Argument(help="Its id, from the list.")], data: _Data
) -> None:
    """Revoke a token."""
    from meterseal.cli import output
    from meterseal.collector.tokens import revoke_token

    found = revoke_token(data, token)
    output.result(f"{found.id} of {found.name}, {found.role}: revoked")


def _day(t_unix_s: int) -> str:
    return datetime.fromtimestamp(t_unix_s, UTC).strftime("%Y-%m-%d %H:%M") if t_unix_s else ""
