"""`meterseal profiles`: list, show, lint, table and identify meter profiles."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from meterseal.errors import EnvironmentProblem
from meterseal.profiles import Profile, Register, find, lint_file, load_all
from meterseal.profiles.table import (
    bench_text,
    dump_class,
    line_text,
    markdown,
    replaced,
    steps_of_a_charge,
)
from meterseal.resources import profiles_dir

_HELP = """Meter profiles: which registers a meter has and how far they can be trusted.

Examples:

    meterseal profiles list

    meterseal profiles show schneider-iem3155

    meterseal profiles lint my-meter.json

    meterseal profiles identify /dev/ttyUSB0
"""
_LINT_HELP = """Check profiles against the schema in firmware/profiles/README.md.

Exit code 1 on any defect.

Without FILE: every profile that is shipped.

Example:

    meterseal profiles lint --json my-meter.json
"""
_SHOW_HELP = """Show one profile: registers, sources, confidence, and what an installer must know.

Example:

    meterseal profiles show carlo-gavazzi-em340
"""
_TABLE_HELP = """Print the table of meters in Markdown, or write it between the markers of a file.

Example:

    meterseal profiles table --write README.md
"""
_Json = Annotated[bool, typer.Option("--json", help="JSON on stdout.")]


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    from meterseal.cli.identify import IDENTIFY_HELP, identify

    verb = typer.Typer(help=_HELP, no_args_is_help=True)
    verb.command("list", help="List every profile that is shipped.")(list_profiles)
    verb.command("show", help=_SHOW_HELP)(show)
    verb.command("lint", help=_LINT_HELP)(lint)
    verb.command("table", help=_TABLE_HELP)(table)
    verb.command("identify", help=IDENTIFY_HELP)(identify)
    app.add_typer(verb, name="profiles")


def _dumps_dir() -> Path | None:
    """Register dumps, present in the source tree only."""
    dumps = profiles_dir().parent.parent / "tests" / "profiles"
    return dumps if dumps.is_dir() else None


def _summary(profile: Profile) -> dict[str, Any]:
    return {
        "id": profile.id,
        "name": profile.name,
        "line": line_text(profile),
        "confidence": profile.confidence,
        "register_dump": dump_class(_dumps_dir(), profile),
        "bench": bench_text(profile),
        "sha256": profile.sha256.hex(),
    }


def list_profiles(as_json: _Json = False) -> None:
    """One line for each profile."""
    profiles = load_all(profiles_dir())
    if as_json:
        typer.echo(json.dumps([_summary(profile) for profile in profiles.values()]))
        return
    width = max(len(name) for name in profiles)
    for profile in profiles.values():
        typer.echo(f"{profile.id:{width}}  {profile.confidence:13}  {profile.name}")


def show(name: Annotated[str, typer.Argument(help="Id or file.")], as_json: _Json = False) -> None:
    """Everything about one profile."""
    profile = find(profiles_dir(), name)
    if as_json:
        registers = [_register_tree(register) for register in profile.all_registers()]
        typer.echo(json.dumps(_summary(profile) | {"registers": registers}))
        return
    typer.echo(f"{profile.name}  ({profile.id})\n  models: {', '.join(profile.models)}")
    if profile.labels:
        typer.echo(f"  also sold as: {', '.join(profile.labels)}")
    typer.echo(
        f"  line: {line_text(profile)}; at most {profile.bus.max_registers} registers a read"
    )
    typer.echo(f"  confidence: {profile.confidence}; tried on a bench: {bench_text(profile)}")
    for register in profile.all_registers():
        typer.echo("  " + _register_text(register))
    steps = steps_of_a_charge(profile.total)
    if steps is not None and steps < 100:
        typer.echo(f"  ! one charge of a motorcycle battery is only {steps} steps of this counter")
    for note in profile.notes:
        typer.echo(f"  ! {note}")
    for source in profile.sources:
        typer.echo(f"  [{source.id}] {source.title}  {source.url}")


def _register_tree(register: Register) -> dict[str, Any]:
    names = ("section", "name", "function", "type", "count", "order", "unit", "exp10", "total")
    tree: dict[str, Any] = {name: getattr(register, name) for name in names}
    return tree | {
        "address": f"0x{register.address:04X}",
        "sources": list(register.sources),
        "confidence": register.confidence,
        "note": register.note,
    }


def _register_text(register: Register) -> str:
    unit = register.unit or ""
    scale = f" x 10^{register.exp10}" if register.exp10 else ""
    scale += f" x 10^{register.sf}" if register.sf else ""
    mark = "  TOTAL" if register.total else ""
    note = f"  ({register.note})" if register.note else ""
    place = f"fn {register.function} 0x{register.address:04X} {register.type:5} {register.order}"
    origin = f"{register.confidence}: {', '.join(register.sources)}"
    return f"{register.section:10} {register.name:30} {place} {unit}{scale}  {origin}{mark}{note}"


def lint(
    files: Annotated[list[Path] | None, typer.Argument(help="Profile files.")] = None,
    as_json: _Json = False,
) -> None:
    """Findings on stdout, one a line; exit code 1 if there is any."""
    paths = files or sorted(profiles_dir().glob("*.json"))
    missing = [str(path) for path in paths if not path.is_file()]
    if missing:
        raise EnvironmentProblem(
            "file-missing",
            f"expected a profile file, found none at {missing[0]}",
            "Check the path.",
        )
    findings = [(path, finding) for path in paths for finding in lint_file(path)]
    if as_json:
        rows = [
            {"file": str(path), "code": f.code, "where": f.where, "text": f.text}
            for path, f in findings
        ]
        typer.echo(json.dumps({"files": len(paths), "findings": rows}))
    else:
        for path, finding in findings:
            typer.echo(f"{path}: {finding.code}: {finding.where}: {finding.text}")
        typer.echo(f"{len(paths)} profiles, {len(findings)} defects", err=True)
    if findings:
        raise typer.Exit(1)


def table(
    write: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="Replace the table between the markers of this file."
        ),
    ] = None,
) -> None:
    """The table of meters."""
    text = markdown(load_all(profiles_dir()), _dumps_dir())
    if write is None:
        typer.echo(text)
        return
    changed = replaced(write.read_text("utf-8"), text)
    if changed is None:
        raise EnvironmentProblem(
            "markers-missing",
            f"expected the two markers of the table in {write}, found none",
            "Put the first and last line that `meterseal profiles table` prints into the file.",
        )
    write.write_text(changed, "utf-8")
