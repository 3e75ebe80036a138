"""What is there for people at the cabinet: the console of an inspector, and the light.

Loaded once at the start, and only where a board has one of them. Must never be needed for reading
or sealing.
"""

from .constant import const

_DEADLINE_MS = const(120000)
_LIMIT = const(1000000000)  # the board is never reset for them
_PAUSE_MS = const(3600000)


def add(app, board, config, sleep_ms):
    """Put their tasks under the supervisor of `app`."""
    if board.console:
        from .console import Console

        console = Console(board.console, app, sleep_ms)
        app.supervisor.add("console", console.run, _DEADLINE_MS, _LIMIT, _PAUSE_MS)
    if config["led_pin"] >= 0:
        from .led import Led

        led = Led(board.light(config["led_pin"]), app, sleep_ms)
        app.supervisor.add("led", led.run, _DEADLINE_MS, _LIMIT, _PAUSE_MS)
