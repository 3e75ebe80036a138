"""From the configuration to the meters: one client for each bus, one reader for each meter.

Settings of the configuration win over those of the profile. Must never open hardware itself:
`open_uart(bus)` gives an object with the interface of machine.UART and the driver-enable pin.
"""

from .errors import MeterError
from .meter_reader import MeterReader
from .modbus.settings import Line, limits


def make_readers(config, profiles, clock, open_uart, timing=None):
    """MeterReader in the order of the configuration."""
    clients = [_client(bus, open_uart, timing) for bus in config["buses"]]
    readers = [
        _reader(meter, config["buses"][meter["bus"]], clients[meter["bus"]], profiles, clock)
        for meter in config["meters"]
    ]
    check_told_apart(readers)
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
    rated_power_w = meter["rated_power_w"]
    return reader_class(loaded)(client, meter["unit_id"], loaded, clock, line, lim, rated_power_w)


def reader_class(loaded):
    """What reads a meter of this profile."""
    if not loaded.sunspec:
        return MeterReader
    from .sunspec import SunSpecReader

    return SunSpecReader


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
    """Profile id -> ((function, address), ...) of its energy total, for stated losses; with the
    place and the number of the block where a SunSpec meter may have it elsewhere.
    """
    totals = {}
    for name in profiles:
        loaded = profiles[name]
        if loaded.total is not None:
            column = loaded.columns[loaded.total]
            sunspec = loaded.sunspec
            block = (sunspec.at, sunspec.model) if sunspec else ()
            totals[name] = ((column.function, column.address) + block,)
    return totals


def check_told_apart(readers):
    """What is sealed must say which meter it is: two alike need serial numbers or different unit
    ids.
    """
    seen = []
    for reader in readers:
        name = (reader.profile.id, reader.unit)
        if name in seen and not reader.profile.identity:
            raise MeterError(
                "meter-alike",
                "expected meters that can be told apart, found two %s with unit id %d: change one"
                % name,
            )
        seen.append(name)


def by_client(watches):
    """Watches grouped by their client, in order."""
    buses = []
    for watch in watches:
        for bus in buses:
            if bus[0].reader.client is watch.reader.client:
                bus.append(watch)
                break
        else:
            buses.append([watch])
    return buses
