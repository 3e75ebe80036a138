"""What a simulated meter really measured: exact integers, so that tests can compare.

Units are thousandths of the base unit: mWh, mW, mV, mA, mHz, and 1/1000 for the power factor.
"""

from dataclasses import dataclass

_SQRT3_MILLI = 1732


@dataclass(frozen=True)
class Truth:
    """State of the meter at one moment of simulated time; the tuples have one entry for each
    phase.
    """

    t_ms: int
    energy_import_mwh: int
    energy_export_mwh: int
    phase_import_mwh: tuple[int, ...]
    power_mw: tuple[int, ...]
    voltage_mv: tuple[int, ...]
    current_ma: tuple[int, ...]
    power_factor_milli: tuple[int, ...]
    frequency_millihz: int

    def milli(self, quantity: str) -> int:
        """Value of a quantity of a profile (`energy_import_wh`, `voltage_l1_v`, ...) in
        thousandths of its unit.

        Raises KeyError for a name that is no quantity.
        """
        if quantity == "frequency_hz":
            return self.frequency_millihz
        if quantity.startswith("energy_"):
            return self._energy(quantity.removesuffix("_wh").split("_")[1:])
        if quantity.startswith("voltage_l") and quantity[9] in "l123":
            return self._voltage(quantity.split("_")[1])
        base, phase = _split_phase(quantity)
        values = {
            "power": self.power_mw,
            "current": self.current_ma,
            "power_factor": self.power_factor_milli,
            "voltage": self.voltage_mv,
        }[base]
        return self._combine(base, values) if phase is None else self._of_phase(values, phase)

    def _combine(self, base: str, values: tuple[int, ...]) -> int:
        if base in ("power", "current"):
            return sum(values)
        if base == "voltage":
            return sum(values) // len(values)
        apparent = sum(v * i for v, i in zip(self.voltage_mv, self.current_ma, strict=True))
        return 1000 if apparent == 0 else sum(self.power_mw) * 1_000_000 // apparent

    def _of_phase(self, values: tuple[int, ...], phase: int) -> int:
        return values[phase - 1] if phase <= len(values) else 0

    def _voltage(self, which: str) -> int:
        """Phase voltage (`l1`) or line-to-line voltage (`ll`, `l12`, ...)."""
        if which in ("l1", "l2", "l3"):
            return self._of_phase(self.voltage_mv, int(which[1]))
        phases = (1, 2, 3) if which == "ll" else (int(which[1]), int(which[2]))
        mean = sum(self._of_phase(self.voltage_mv, phase) for phase in phases) // len(phases)
        return mean * _SQRT3_MILLI // 1000

    def _energy(self, words: list[str]) -> int:
        """Energy by direction (`import`, `export`, `sum`, `net`) and part (`l1`, `t1`, ...);
        everything is tariff 1.
        """
        direction, part = words[0], words[1] if len(words) > 1 else ""
        imported, exported = self.energy_import_mwh, self.energy_export_mwh
        if part.startswith("t") and part != "t1":
            return 0
        if part.startswith("l"):
            imported = self._of_phase(self.phase_import_mwh, int(part[1]))
            exported = exported if part == "l1" else 0
        signed = {"import": imported, "export": exported}
        signed |= {"sum": imported + exported, "net": imported - exported}
        return signed[direction]


def _split_phase(quantity: str) -> tuple[str, int | None]:
    """`current_l2_a` -> (`current`, 2); `power_w` -> (`power`, None)."""
    words = quantity.split("_")
    if words[-1] in ("w", "a", "v"):
        words = words[:-1]
    if words[-1] in ("l1", "l2", "l3"):
        return "_".join(words[:-1]), int(words[-1][1])
    return "_".join(words), None
