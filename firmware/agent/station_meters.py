"""From the configuration to the meters: one client for each bus, one reader for each meter.

Settings of the configuration win over those of the profile. Must never open hardware itself:
`open_uart(bus)` gives an object with the interface of machine.UART and the driver-enable pin.
"""

from . import profile
from .errors import ConfigError
from .meter_reader import MeterReader
from .modbus.client import Line, RtuClient, RtuOverTcpClient, TcpClient, limits


def load_profiles(config, read_file):
    """Profile id -> Profile for every meter; ProfileError or ConfigError `profile-missing`."""
    profiles = {}
    for meter in config["meters"]:
        name = meter["profile"]
        if name not in profiles:
            profiles[name] = profile.load(_read(read_file, name), config["quantities"])
    return profiles


def _read(read_file, name):
    try:
        return read_file("profiles/%s.json" % name)
    except OSError:
        raise ConfigError(
            "profile-missing",
            "expected the file profiles/%s.json, found none: copy it, or correct the name" % name,
            key="meters.profile",
        )


def make_readers(config, profiles, clock, open_uart, timing=None):
    """MeterReader in the order of the configuration."""
    clients = [_client(bus, open_uart, timing) for bus in config["buses"]]
    return [
        _reader(meter, config["buses"][meter["bus"]], clients[meter["bus"]], profiles, clock)
        for meter in config["meters"]
    ]


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
    if bus["kind"] == "rtu":
        uart, de_pin = open_uart(bus)
        return RtuClient(uart, de_pin, timing)
    kind = TcpClient if bus["kind"] == "tcp" else RtuOverTcpClient
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
