"""`meterseal people`: who is behind the pseudonyms of charging sessions."""

from pathlib import Path
from typing import Annotated

import typer

_HELP = """Who is behind the pseudonyms of charging sessions.

Sealed batches, packs and exports hold keyed pseudonyms only, since nobody can erase a chain. This
file of yours says whose they are, and forgets on request. --key-file holds the `pseudonym_key` of
the stations' secrets.json.

Examples:

    meterseal people add people.json --key-file pseudonym.key "card 04A2B3C4"

    meterseal people add people.json --pseudonym 5d3c9a7e11f02b485d3c9a7e11f02b48 "card 04A2B3C4"

    meterseal people show people.json 5d3c9a7e11f02b485d3c9a7e11f02b48

    meterseal people delete people.json 5d3c9a7e11f02b485d3c9a7e11f02b48
"""
_File = Annotated[Path, typer.Argument(help="The file; made with the first entry.")]
_Pseudonym = Annotated[str, typer.Argument(help="Pseudonym: 32 hexadecimal digits.")]


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    verb = typer.Typer(help=_HELP, no_args_is_help=True)
    verb.command("add", help="Keep an identifier and print its pseudonym.")(add)
    verb.command("show", help="Print the identifier of a pseudonym; exit code 1: none.")(show)
    verb.command("delete", help="Forget an identifier; exit code 1: there was none.")(delete)
    app.add_typer(verb, name="people")


def add(
    file: _File,
    identifier: Annotated[str, typer.Argument(help="As the controller gives it.")],
    key_file: Annotated[
        Path | None, typer.Option(help="File with the stations' pseudonym_key.")
    ] = None,
    pseudonym: Annotated[
        str, typer.Option(help="Or the pseudonym that the station answered, by a key of its own.")
    ] = "",
) -> None:
    """Keep an identifier."""
    from meterseal.ocmf.people import People

    if (key_file is None) == (not pseudonym):
        raise typer.BadParameter("give --key-file or --pseudonym, one of them")
    if key_file is None:
        typer.echo(People(file).put(pseudonym, identifier))
    else:
        typer.echo(People(file).add(_key(key_file), identifier))


def _key(key_file: Path) -> bytes:
    from meterseal.errors import EnvironmentProblem

    try:
        return key_file.read_text(encoding="utf-8").strip().encode()
    except (OSError, ValueError) as problem:
        raise EnvironmentProblem(
            "key-unreadable",
            f"expected the pseudonym key in {key_file}: {problem}",
            "Give the file that holds the value of pseudonym_key.",
        ) from problem


def show(file: _File, pseudonym: _Pseudonym) -> None:
    """Print an identifier."""
    from meterseal.ocmf.people import People

    found = People(file).of(pseudonym)
    typer.echo(found if found is not None else "nobody known")
    raise typer.Exit(found is None)


def delete(file: _File, pseudonym: _Pseudonym) -> None:
    """Forget an identifier."""
    from meterseal.ocmf.people import People

    there = People(file).delete(pseudonym)
    typer.echo("forgotten" if there else "nobody known")
    raise typer.Exit(not there)
