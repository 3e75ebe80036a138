"""`meterseal demo`: the main job on this machine."""

import signal
from pathlib import Path
from typing import Annotated

import typer

_HELP = """Show the main job on this machine: meter, station, outage, power cut, proof, forgery.

Ends by itself, leaves nothing running, and exits 0 only if all of that happened. What it verified
stays in the output directory.

Example:

    meterseal demo --out build/demo
"""


def register(app: typer.Typer) -> None:
    """Add the verb to the command line."""
    app.command("demo", help=_HELP)(demo)


def _end(number: int, _frame: object) -> None:
    """End as Ctrl-C does: every child is ended on the way out."""
    raise SystemExit(128 + number)


def demo(
    out: Annotated[Path, typer.Option(help="Where everything is written; emptied first.")] = Path(
        "build/demo"
    ),
) -> None:
    """Run every scene (help text: `_HELP`)."""
    from rich.console import Console

    from meterseal.demo import scenes, verdict
    from meterseal.demo.stage import open_stage

    for number in (signal.SIGTERM, signal.SIGHUP):  # whoever ends it leaves nothing running
        signal.signal(number, _end)
    console = Console()
    narrator = scenes.Narrator(console)
    with open_stage(out) as stage:
        scenes.set_up(stage, narrator)
        watch = scenes.Watch(stage, narrator)
        scenes.seal_online(stage, narrator, watch)
        scenes.outage(stage, narrator, watch)
        scenes.power_cut(stage, narrator, watch)
        scenes.drain(stage, narrator, watch)
        batches = scenes.take_stock(stage, narrator)
        energy_mwh = verdict.verify_all(stage, narrator, console, batches)
        verdict.forge(stage, narrator, batches)
        verdict.worth(narrator, energy_mwh)
    verdict.in_time(narrator)
    names = ("batches.cborseq", "trust.json", "device.pem")
    kept = ", ".join(str(out / name) for name in names)
    console.print(f"\nKept for the next commands: {kept}", soft_wrap=True, highlight=False)
