"""`meterseal keys`: keys of the operator, the second role, the owner and the collector."""

import os
from pathlib import Path
from typing import Annotated

import typer

_HELP = """Keys of people: operator (signs exports), second (countersigns), owner, collector.

P-256 keys in PEM files. Give the operator's fingerprint to whoever verifies, by another way than
the trust file: it is what --anchor takes.

Examples:

    meterseal keys make operator --out keys

    meterseal keys make second --out keys --passphrase-file passphrase.txt

    meterseal keys show keys/operator.pem
"""
Passphrase = Annotated[
    Path | None,
    typer.Option(
        "--passphrase-file",
        help="File with the key's passphrase; else METERSEAL_PASSPHRASE, else none.",
    ),
]
_Json = Annotated[bool, typer.Option("--json", help="JSON on stdout.")]


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    verb = typer.Typer(help=_HELP, no_args_is_help=True)
    verb.command("make", help="Make a key: ROLE.key (private) and ROLE.pem (public).")(make)
    verb.command("show", help="Print the fingerprint of a public or private key file.")(show)
    app.add_typer(verb, name="keys")


def passphrase_of(file: Path | None) -> str:
    """The passphrase: first line of a file, or METERSEAL_PASSPHRASE, or none.

    Raises EnvironmentProblem `passphrase-unreadable`.
    """
    from meterseal.errors import EnvironmentProblem

    if file is None:
        return os.environ.get("METERSEAL_PASSPHRASE", "")
    try:
        return file.read_text(encoding="utf-8").partition("\n")[0].rstrip("\r")
    except (OSError, ValueError) as problem:
        raise EnvironmentProblem(
            "passphrase-unreadable",
            f"expected a passphrase in the first line of {file}: {problem}",
            "Check --passphrase-file.",
        ) from problem


def make(
    role: Annotated[str, typer.Argument(help="operator, second, owner or collector.")],
    out: Annotated[Path, typer.Option(help="Directory for the two files.")] = Path("."),
    passphrase_file: Passphrase = None,
    as_json: _Json = False,
) -> None:
    """Make a key pair; nothing is ever overwritten."""
    from meterseal.cli import output
    from meterseal.registry.role_keys import ROLES, make_key

    if role not in ROLES:
        raise typer.BadParameter(f"expected one of {', '.join(ROLES)}, found {role!r}")
    path = out / f"{role}.key"
    found = make_key(path, passphrase_of(passphrase_file))
    public = path.with_suffix(".pem")
    if as_json:
        files = {"private_key": str(path), "public_key": str(public)}
        output.result_json({"role": role, "fingerprint": found, **files})
        return
    output.result(f"{role}: {found}")
    output.result(f"private key (keep it, copy it to a safe place): {path}")
    output.result(f"public key (hand it out): {public}")


def show(
    file: Annotated[Path, typer.Argument(help="Key file in PEM.")],
    passphrase_file: Passphrase = None,
    as_json: _Json = False,
) -> None:
    """Fingerprint: SHA-256 of the 65 bytes of the public key."""
    from meterseal.cli import output
    from meterseal.registry.role_keys import load_key
    from meterseal.trust_keys import fingerprint, public_bytes, read_anchor

    if file.suffix == ".key":
        found = fingerprint(public_bytes(load_key(file, passphrase_of(passphrase_file))))
    else:
        found = read_anchor(str(file))
    if as_json:
        output.result_json({"file": str(file), "fingerprint": found})
    else:
        output.result(found)
