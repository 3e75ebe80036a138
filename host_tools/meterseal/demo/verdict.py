"""The end of the demonstration: what is proven, what a forger achieves, what it would be worth."""

from fractions import Fraction
from pathlib import Path

from rich.console import Console
from rich.table import Table

from meterseal.demo.scenes import BOUND_S, Narrator
from meterseal.demo.stage import Stage
from meterseal.errors import EnvironmentProblem, VerificationError
from meterseal.mrv import ams_iii_c
from meterseal.trust import load_trust
from meterseal.trust_keys import read_anchor
from meterseal.verify import Standard, Verifier
from meterseal.verify.report import report
from meterseal.verify.sources import pieces_of_file

MWH_PER_KWH = 1_000_000


def verify_all(stage: Stage, narrator: Narrator, console: Console, batches: Path) -> int:
    """Verify every batch and return the proven energy in mWh; raises on the first refusal."""
    anchor = read_anchor(str(stage.operator_file))
    verifier = Verifier(trust=load_trust(stage.trust_file, [anchor]), policy=Standard())
    table = Table("batch", "boot", "readings", "of them recovered", "hash", box=None)
    readings = 0
    recoveries = []
    for piece in pieces_of_file(batches):
        batch = verifier.verify(piece.raw)
        recovered = sum(len(g.sequence) for g in batch.groups if g.boot != batch.contents.boot)
        readings += batch.contents.count
        recoveries.append(recovered)
        table.add_row(
            str(batch.contents.number),
            str(batch.contents.boot),
            str(batch.contents.count),
            str(recovered) if recovered else "",
            batch.hash.hex()[:16],
        )
    console.print(table)
    [device] = report(verifier)
    [chain] = device.chains
    if not chain.complete or chain.last_number != chain.batches or not any(recoveries):
        raise EnvironmentProblem("demo-chain", "expected one unbroken chain", "Report this.")
    narrator.say(f"[green]all verified, one unbroken chain, {readings} readings[/green]")
    return sum(meter.energy_import_mwh or 0 for meter in device.meters)


def forge(stage: Stage, narrator: Narrator, batches: Path) -> None:
    """Change one byte of one stored batch: it must be refused."""
    narrator.scene("A forger changes one byte of one stored batch")
    raw = bytearray(next(pieces_of_file(batches)).raw)
    raw[len(raw) // 2] ^= 1
    (stage.out / "forged.cborseq").write_bytes(raw)
    verifier = Verifier(trust=load_trust(stage.trust_file), policy=Standard())
    try:
        verifier.verify(bytes(raw))
    except VerificationError as refusal:
        narrator.say(f"[red]refused: {refusal.code}[/red]: {refusal.text}")
        return
    raise EnvironmentProblem("demo-forgery", "expected a refusal, found none", "Report this.")


def worth(narrator: Narrator, energy_mwh: int) -> None:
    """What the proven energy would be worth, marked as illustrative.

    Raises EnvironmentProblem `demo-energy` if none was proven.
    """
    narrator.scene("What it is for")
    if energy_mwh <= 0:
        text = f"expected proven energy above zero, found {energy_mwh} mWh"
        raise EnvironmentProblem("demo-energy", text, "Report this.")
    energy_kwh = Fraction(energy_mwh, MWH_PER_KWH)
    reductions_kg = ams_iii_c.emission_reductions_kg(energy_kwh, ams_iii_c.ILLUSTRATIVE)
    narrator.say(f"[bold]{_decimal(energy_kwh, 6)} kWh proven[/bold] at the charging station")
    narrator.say(
        f"worth {_decimal(reductions_kg, 6)} kgCO2e by AMS-III.C, charging-station option"
        " [yellow](ILLUSTRATIVE parameters, simulated key: it counts nowhere)[/yellow]"
    )


def in_time(narrator: Narrator) -> None:
    """Say how long it took; raises EnvironmentProblem `demo-late` beyond BOUND_S."""
    elapsed_s = narrator.elapsed_s()
    if elapsed_s > BOUND_S:
        text = f"expected an end within {BOUND_S:g} s, found {elapsed_s:.0f} s"
        raise EnvironmentProblem("demo-late", text, "Try again when this machine has less to do.")
    narrator.say(f"done, within {BOUND_S:g} s")


def _decimal(value: Fraction, digits: int) -> str:
    """Decimal text, rounded half to even, without a float."""
    scaled = round(value * 10**digits)
    sign, scaled = ("-", -scaled) if scaled < 0 else ("", scaled)
    return f"{sign}{scaled // 10**digits}.{scaled % 10**digits:0{digits}d}"
