"""From the configuration to the meters: one client for each bus, one reader for each meter.

Settings of the configuration win over those of the profile. Must never open hardware itself:
`open_uart(bus)` gives an object with the interface of machine.UART and the driver-enable pin.
"""

from .meter_reader import MeterReader
from .modbus.settings import Line, limits


def make_readers(config, profiles, clock, open_uart, timing=None):
    """MeterReader in the order of the configuration."""
    clients = [_client(bus, open_uart, timing) for bus in config["buses"]]
    readers = [
        _reader(meter, config["buses"][meter["bus"]], clients[meter["bus"]], profiles, clock)
        for meter in config["meters"]
    ]
    for name in profiles:
        profiles[name].listed = ()  # the reads are planned
    return readers


def _reader(meter, bus, client, profiles, clock):
    """What the configuration leaves open is as the meter's profile says."""
    loaded = profiles[meter["profile"]]
    own = loaded.bus
    parity = bus["parity"] if meter["parity"] == "bus" else meter["parity"]
    line = Line(
        meter["baud"] or bus["baud"] or own.baud,
        own.parity if parity == "profile" else parity,
        meter["stop_bits"] or bus["stop_bits"] or own.stop_bits,
    )
    lim = limits(
        first_byte_ms=bus["timeout_ms"] or own.timeout_ms,
        retries=bus["retries"],
        min_interval_ms=own.min_interval_ms,
    )
    return MeterReader(client, meter["unit_id"], loaded, clock, line, lim, meter["rated_power_w"])


def _client(bus, open_uart, timing):
    """Imports only what this station's buses need: code loaded from files takes memory."""
    if bus["kind"] == "rtu":
        from .modbus.rtu import RtuClient

        uart, de_pin = open_uart(bus)
        return RtuClient(uart, de_pin, timing)
    from .modbus import tcp

    kind = tcp.TcpClient if bus["kind"] == "tcp" else tcp.RtuOverTcpClient
    return kind(bus["host"], bus["port"], timing)


def energy_registers(profiles):
    """Profile id -> ((function, address), ...) of its energy total, for stated losses."""
    totals = {}
    for name in profiles:
        loaded = profiles[name]
        if loaded.total is not None:
            column = loaded.columns[loaded.total]
            totals[name] = ((column.function, column.address),)
    return totals
