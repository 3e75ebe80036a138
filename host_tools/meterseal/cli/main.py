"""`meterseal`: one verb for each module of this package.

Exit codes: 0 verified or done, 1 refused or failed verification, 2 usage, 3 environment.
"""

import importlib
import logging
import sys
from collections.abc import Sequence
from typing import Annotated, Final

import typer

from meterseal import __version__
from meterseal.cli import output
from meterseal.errors import EnvironmentProblem, Error

REFUSED, USAGE, ENVIRONMENT = 1, 2, 3

VERBS: Final = {
    "verify": "meterseal.cli.verify",
    "audit": "meterseal.cli.audit",
    "export": "meterseal.cli.export",
    "collect": "meterseal.cli.collect",
    "station": "meterseal.cli.station",
    "provision": "meterseal.cli.provision",
    "rollover": "meterseal.cli.rollover",
    "inspect": "meterseal.cli.inspect",
    "salvage": "meterseal.cli.salvage",
    "keys": "meterseal.cli.keys",
    "devices": "meterseal.cli.devices",
    "meter": "meterseal.cli.meter",
    "profiles": "meterseal.cli.profiles",
    "report": "meterseal.cli.report",
    "recompute": "meterseal.cli.recompute",
    "prove": "meterseal.cli.prove",
    "trace": "meterseal.cli.trace",
    "update": "meterseal.cli.update",
    "people": "meterseal.cli.people",
    "demo": "meterseal.cli.demo",
}
"""Verb -> module with `register(app)`. A module imports what its commands need inside them."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and leave with its exit code."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    logging.basicConfig(format="%(levelname)s %(name)s: %(message)s", level=logging.WARNING)
    try:
        build_app(arguments)(arguments, prog_name="meterseal")  # leaves by SystemExit; 2: usage
    except Error as problem:
        output.error(problem)
        sys.exit(ENVIRONMENT if isinstance(problem, EnvironmentProblem) else REFUSED)


def build_app(arguments: Sequence[str]) -> typer.Typer:
    """The command line; only the verb that is asked for is imported, all of them for the help."""
    app = typer.Typer(
        help="Meterseal: seal energy readings beside the meter, verify them anywhere.",
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    app.callback(invoke_without_command=True)(_options)
    verb = next((one for one in arguments if not one.startswith("-")), None)
    for module in [VERBS[verb]] if verb in VERBS else VERBS.values():
        importlib.import_module(module).register(app)
    return app


def _options(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and leave.", is_eager=True)
    ] = False,
) -> None:
    """Options of the command itself."""
    if version:
        typer.echo(f"meterseal {__version__}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(USAGE)
