"""Puts the tasks of a station under its supervisor: once, when it starts; see forget.

Must hold nothing, and never let what depends on the network decide whether meters are read.
"""

from .constant import const

_METER_DEADLINE_MS = const(120000)
_SEAL_DEADLINE_MS = const(30000)
_SEAL_LIMIT = const(20)  # failures in a row, ten minutes: a fault of the supply may pass
_NETWORK_DEADLINE_MS = const(60000)
_NETWORK_LIMIT = const(100)  # failures in a row; with the pauses more than eight hours
_NETWORK_PAUSE_MS = const(300000)


def add(app):
    """Every task that the configuration asks for."""
    app.supervisor.add("meters", app.run_meters, _METER_DEADLINE_MS)
    app.supervisor.add("seal", app.seal_task.run, _SEAL_DEADLINE_MS, _SEAL_LIMIT)
    if app.sessions:
        app.supervisor.add("sessions", app.sessions.run, _SEAL_DEADLINE_MS)
    if app.config["update"]["owners"]:
        from . import update

        update.add(app)
    if app.uplink:
        deadline_ms = 4 * app.config["uplink"]["timeout_ms"] + 60000
        _add_patient(app, "uplink", app.uplink.run, deadline_ms)
    if app.board.link:
        app.board.link.pause_s = app.boots.radio_pause_s()
        _add_patient(app, "network", app.board.link.run, _NETWORK_DEADLINE_MS)
    _add_for_people(app)


def _add_patient(app, name, factory, deadline_ms):
    """What depends on the network may fail for long before the board is reset for it."""
    app.supervisor.add(name, factory, deadline_ms, _NETWORK_LIMIT, _NETWORK_PAUSE_MS)


def _add_for_people(app):
    """Cabinet, console and light."""
    if app.config["cabinet_pin"] >= 0:
        from .cabinet import Cabinet

        is_open = app.board.contact(app.config["cabinet_pin"])
        cabinet = Cabinet(is_open, app.recorder.event, app.timing.sleep_ms)
        app.supervisor.add("cabinet", cabinet.run, _NETWORK_DEADLINE_MS)
    if app.board.console or app.config["led_pin"] >= 0:
        from . import forget, people

        people.add(app, app.board, app.config, app.timing.sleep_ms)
        del people
        forget.modules("people")
