"""What the configuration names outside of itself: certificates, serial devices, partitions.

A check opens each once. At the start of a station each is opened anyway, by who needs it.
"""

from .errors import ConfigError


def check(board, config):
    """FwError for the first that cannot be used: `ca-unreadable`, `bus-device`, ..."""
    if config["uplink"]["url"]:
        trusted(board, config["uplink"])
    for bus in config["buses"]:
        if bus["kind"] == "rtu":
            board.open_uart(bus)


def trusted(board, settings):
    """TLS context that trusts the authorities in the files of `uplink` alone; ConfigError
    `ca-unreadable`.
    """
    context = None
    for key in ("ca_file", "ca_file_next"):
        name = settings[key]
        if not name:
            continue
        try:
            ca_der = board.read_file(name)
            if context:  # two calls: of two in one call the library takes the first
                context.load_verify_locations(ca_der)
            else:
                context = board.tls_context(ca_der)
        except (OSError, ValueError) as error:
            raise ConfigError(
                "ca-unreadable",
                "expected one certificate in DER in the file %s, found: %s; copy it to the board"
                % (name, error),
                key="uplink." + key,
            )
    return context
