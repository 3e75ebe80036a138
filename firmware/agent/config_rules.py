"""What no field of the configuration can say alone: addresses, and fields that contradict others.

Needed while the configuration is checked, and forgotten then (see `forget`). Must never ask the
hardware or the network.
"""

from .errors import ConfigError

_ENERGY = "energy_import_wh"
_NAME = "abcdefghijklmnopqrstuvwxyz0123456789-._"
_HOST = _NAME + "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_SERIAL = ("rtu", "rtu_over_tcp")


def check_together(values):
    """ConfigError `config-conflict`, `config-url` or `config-name` at the first contradiction."""
    _intervals(values)
    _buses(values)
    _meters(values)
    _sessions(values)
    if _ENERGY not in values["quantities"]:
        _conflict("quantities", "has no %s: without energy nothing is proven; add it", (_ENERGY,))
    for name in values["quantities"]:
        if values["quantities"].count(name) > 1:
            _conflict("quantities", "has %s twice; remove one", (name,))
    if values["uplink"]["url"]:
        _url(values["uplink"]["url"])


def _intervals(values):
    if values["max_interval_s"] < values["read_interval_s"]:
        _conflict(
            "max_interval_s",
            "is %d, expected at least read_interval_s (%d)",
            (values["max_interval_s"], values["read_interval_s"]),
        )
    uplink = values["uplink"]
    if uplink["retry_max_s"] < uplink["retry_min_s"]:
        _conflict(
            "uplink.retry_max_s",
            "is %d, expected at least uplink.retry_min_s (%d)",
            (uplink["retry_max_s"], uplink["retry_min_s"]),
        )


def _buses(values):
    for i, bus in enumerate(values["buses"]):
        if bus["kind"] != "rtu" and not _is_host(bus["host"]):
            _conflict(
                "buses[%d].host" % i,
                "is %r, expected the name or IPv4 address of the meter or gateway",
                (bus["host"],),
            )


def _meters(values):
    seen = []
    for i, meter in enumerate(values["meters"]):
        key = "meters[%d]." % i
        if meter["bus"] >= len(values["buses"]):
            _conflict(
                key + "bus",
                "is %d, but there are %d buses, counted from 0",
                (meter["bus"], len(values["buses"])),
            )
        if not _is_name(meter["profile"]):
            raise ConfigError(
                "config-name",
                "expected %sprofile to be the id of a profile (a-z, 0-9, '-', '.', '_'), found %r"
                % (key, meter["profile"]),
                key=key + "profile",
            )
        serial = values["buses"][meter["bus"]]["kind"] in _SERIAL
        if serial and not 1 <= meter["unit_id"] <= 247:
            _conflict(
                key + "unit_id",
                "is %d, expected 1..247: RTU has no other unit ids that answer",
                (meter["unit_id"],),
            )
        place = (meter["bus"], meter["unit_id"])
        if place in seen:
            _conflict(
                key + "unit_id",
                "is %d, as that of another meter on bus %d; give each meter its own",
                (place[1], place[0]),
            )
        seen.append(place)


def _sessions(values):
    """Each connector has a meter of its own and what its trigger needs."""
    meters = []
    for i, session in enumerate(values["sessions"]):
        meter, trigger, pin = session["meter"], session["trigger"], session["contact_pin"]
        key = "sessions[%d]." % i
        if meter >= len(values["meters"]):
            most = len(values["meters"])
            _conflict(
                key + "meter", "is %d, but there are %d meters, counted from 0", (meter, most)
            )
        if meter in meters:
            _conflict(
                key + "meter", "is %d, as that of another connector; each needs its own", (meter,)
            )
        if trigger == "contact" and pin < 1:
            _conflict(
                key + "contact_pin", "is %d, but a contactor needs a GPIO other than 0", (pin,)
            )
        if trigger == "power" and "power_w" not in values["quantities"]:
            _conflict(key + "trigger", "is %r, but quantities have no power_w: add it", (trigger,))
        meters.append(meter)


def _is_name(text):
    return text[0] != "." and not [c for c in text if c not in _NAME]


def _is_host(text):
    """A name or an IPv4 address; other forms mean nothing to the board's resolver."""
    return bool(text) and text[0] not in ".-" and not [c for c in text if c not in _HOST]


def _url(url):
    """https or mqtts, a host, perhaps a port and a path: nothing else is understood later."""
    authority, _, path = url[8:].partition("/")
    host, colon, port = authority.partition(":")
    is_port = not colon or (port.isdigit() and len(port) <= 5 and 0 < int(port) < 65536)
    strange = [c for c in path if not "!" <= c <= "~" or c in "?#"]
    if url[:8] not in ("https://", "mqtts://") or not _is_host(host) or not is_port or strange:
        raise ConfigError(
            "config-url",
            "expected uplink.url to be https://HOST[:PORT][/PATH] or mqtts://HOST[:PORT], with a "
            "host name or an IPv4 address (a collector at an IPv6 address needs a name) and a "
            "port in 1..65535, found %r" % url,
            key="uplink.url",
        )


def _conflict(key, text, values):
    raise ConfigError("config-conflict", key + " " + text % values, key=key)
