"""Makes the parts of the station from its configuration: once, when it starts.

Each function takes the application, whose earlier parts stand already, and returns one part. Must
hold nothing: the module is forgotten afterwards, see forget.
"""

import binascii

from . import forget, log
from .config_places import trusted
from .constant import const
from .errors import ConfigError
from .meter_task import MeterTask
from .seal_task import SealTask
from .sealer import Sealer, Settings
from .sealer_lost import LostReadings
from .sealer_payload import PROVISIONING, Identity
from .supervisor import EVENT_TASK_RESTARTED
from .time_trust import TimeTrust
from .uplink.http import Connection, over_tls
from .uplink.task import Uplink
from .version import VERSION

_MAX_BATCH_LEN = const(12288)


def sealer(app, profiles):
    """The sealer, which knows after this where the chain stands."""
    from .station_meters import energy_registers

    board, config = app.board, app.config
    identity = Identity(VERSION, config.hash_8, board.store.get(PROVISIONING))
    settings = Settings(
        config["seal_interval_s"] * 1000,
        config["batch_readings"],
        _MAX_BATCH_LEN,
        energy_registers(profiles),
    )
    parts = (app.journal, app.keystore, app.signer, app.clock, LostReadings(board.store))
    made = Sealer(parts, identity, board.random, app.others, settings)
    made.recover(app.journal.mount())
    return made


def meters(app, profiles):
    """The task that reads the meters."""
    from . import meter_identity, meter_table  # their names stay, low in the heap
    from .meter_recall import last_readings

    del meter_identity, meter_table
    forget.modules("meter_identity", "meter_table")
    recalled = last_readings(app.journal)
    del last_readings
    forget.modules("meter_recall", "journal_newest")
    from .station_meters import make_readers

    return MeterTask(
        make_readers(app.config, profiles, app.clock, app.board.open_uart, app.timing),
        app.clock,
        app.recorder.reading,
        app.recorder.meters,
        app.recorder.event,
        interval_s=app.config["read_interval_s"],
        next_sequence=app.sealer.next_sequence,
        timing=app.timing,
        recalled=recalled,
    )


def seal_task(app):
    """The task that seals, and looks after the flash."""
    recorder, sleep_ms = app.recorder, app.timing.sleep_ms
    return SealTask(
        app.sealer, app.journal, app.meters, recorder, app.config, sleep_ms, app.on_sealed
    )


def uplink(app):
    """The task that sends, or None where no collector is configured, or none that can be reached:
    that is logged and sealed as an event, and meters are read all the same.
    """
    settings = app.config["uplink"]
    if not settings["url"]:
        return None
    try:
        context = trusted(app.board, settings)
    except ConfigError as error:
        log.error("uplink", "refused", code=error.code, text=error.text)
        app.recorder.event(EVENT_TASK_RESTARTED, ["uplink", error.code])
        return None
    parts = (over_tls(context), settings["timeout_ms"], app.resolver, app.clock.mono_ms)
    if settings["url"].startswith("mqtts://"):
        from .uplink.mqtt import Connection as Broker

        device_hex = binascii.hexlify(app.signer.kid_8).decode()
        secrets = app.config.secrets
        who = (device_hex, secrets["mqtt_user"], secrets["mqtt_password"])
        connection = Broker(settings["url"], *parts, who)
    else:
        connection = Connection(settings["url"], *parts)
    made = Uplink(
        connection,
        app.journal,
        app.sealer,
        TimeTrust(app.clock, app.query_ntp if app.config["clock"]["ntp_host"] else None),
        app.clock,
        settings,
        app.board.random,
        app.timing.sleep_ms,
    )
    made.identify(app.signer.kid_8)
    return made


def sessions(app):
    """The task of charging sessions, or None where none is configured."""
    config = app.config
    if not config["sessions"] and not config["fiscal_interval_s"]:
        if not app.board.store.get("sessions"):
            return None
        from .session_book import is_open

        if not is_open(app.board.store):
            return None
    from .session_task import Sessions
    from .session_user import pseudonym_key

    parts = (app.journal, app.meters, app.clock, app.signer, app.recorder)
    key = pseudonym_key(app.board, config.secrets["pseudonym_key"])
    return Sessions(config, app.board, parts, key, app.timing.sleep_ms)
