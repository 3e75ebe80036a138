"""A Modbus connection to whatever is there: serial port or TCP, and the settings to try on it.

pymodbus is imported only when it is needed: it would double the time that `meterseal` starts in.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from meterseal.errors import EnvironmentProblem
from meterseal.profiles import Profile

_PSEUDO_TERMINALS = "/dev/pts/"
_PROBES = ((4, 0), (3, 0))
_ALL_UNITS = range(1, 248)  # MODBUS over Serial Line V1.02, section 2.2


@dataclass(frozen=True, order=True)
class LineSettings:
    """Settings of a serial line; always 8 data bits."""

    baud: int
    parity: str
    stop_bits: int

    def __str__(self) -> str:
        return f"{self.baud} 8{self.parity}{self.stop_bits}"


class Link:
    """One open connection. `requests` counts what was asked."""

    def __init__(self, client: Any, description: str) -> None:
        self._client = client
        self.description = description
        self.requests = 0

    def read(
        self, unit_id: int, function: int, address: int, count: int
    ) -> list[int] | int | None:
        """Words; or the exception code with which the meter refused; or None for no answer."""
        from pymodbus.exceptions import ModbusException

        self.requests += 1
        client = self._client
        ask = client.read_holding_registers if function == 3 else client.read_input_registers
        try:
            answer: Any = ask(address, count=count, device_id=unit_id)
        except ModbusException:
            return None
        if answer.isError():
            return int(answer.exception_code)
        words = list(answer.registers)
        return words if len(words) == count else None

    def answers(self, unit_id: int) -> bool:
        """Whether a meter with this unit id says anything at all, be it an exception."""
        return any(self.read(unit_id, fn, address, 2) is not None for fn, address in _PROBES)

    def reopen(self, timeout_s: float) -> None:
        """Wait so long for each answer from now on."""
        self._client.close()
        self._client.comm_params.timeout_connect = timeout_s
        self._client.connect()

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


def open_serial(path: str, settings: LineSettings, timeout_s: float) -> Link:
    """Serial port with these settings; a pseudo-terminal has no parity bit and is opened without.

    Raises EnvironmentProblem `link-open`.
    """
    from pymodbus.client import ModbusSerialClient

    parity = "N" if os.path.realpath(path).startswith(_PSEUDO_TERMINALS) else settings.parity
    client = ModbusSerialClient(
        path,
        baudrate=settings.baud,
        parity=parity,
        stopbits=settings.stop_bits,
        timeout=timeout_s,
        retries=1,
    )
    return _opened(client, f"{path} {settings}", "Check the name of the port and your rights.")


def open_tcp(host: str, port: int, timeout_s: float) -> Link:
    """Modbus TCP connection. Raises EnvironmentProblem `link-open`."""
    from pymodbus.client import ModbusTcpClient

    client = ModbusTcpClient(host, port=port, timeout=timeout_s, retries=1)
    return _opened(client, f"{host}:{port}", "Check address, port and network.")


def _opened(client: Any, description: str, remedy: str) -> Link:
    if not client.connect():
        raise EnvironmentProblem("link-open", f"cannot open {description}", remedy)
    return Link(client, description)


def settings_to_try(profiles: Iterable[Profile]) -> list[LineSettings]:
    """Factory settings of the profiles, the commonest first, then the other rates they know."""
    counts: dict[LineSettings, int] = {}
    others: list[LineSettings] = []
    for profile in profiles:
        bus = profile.bus
        if "rtu" not in bus.kinds:
            continue
        factory = LineSettings(bus.baud, bus.parity, bus.stop_bits)
        counts[factory] = counts.get(factory, 0) + 1
        others += [LineSettings(baud, bus.parity, bus.stop_bits) for baud in bus.bauds]
    first = sorted(counts, key=lambda settings: (-counts[settings], settings))
    return first + sorted({settings for settings in others if settings not in counts})


def units_to_try(
    profiles: Iterable[Profile], unit_id: int | None, scan: bool = False
) -> list[int]:
    """The unit id that was named, or the factory ids of the profiles; with `scan` then all."""
    if unit_id is not None:
        return [unit_id]
    factory = sorted({profile.bus.unit_id for profile in profiles})
    return factory + [unit for unit in _ALL_UNITS if scan and unit not in factory]


def search_line(
    path: str, settings: Iterable[LineSettings], units: list[int], timeout_s: float
) -> Iterator[tuple[LineSettings, Link | None, int]]:
    """Try settings and unit ids in turn; yields (settings, open link or None, unit id that
    answered).
    """
    for candidate in settings:
        link = open_serial(path, candidate, timeout_s)
        unit_id = next((unit for unit in units if link.answers(unit)), None)
        if unit_id is not None:
            yield candidate, link, unit_id
            return
        link.close()
        yield candidate, None, 0
