"""Before a new key: records of sessions that the old key signed leave in batches of the old key.

In the chain of the new key they would name a gateway and bear a signature that are not its own.
Must never run beside the application, and leaves the old key in place if anything goes wrong.
"""

from . import session_book
from .boots import UNKNOWN, Boots
from .clock import Clock, Floor
from .constant import const
from .errors import KeystoreError
from .journal import Journal
from .sealer_gather import OCMF
from .version import BUILD_UNIX_S, VERSION

_HEALTH = 16
_TRIES = const(8)  # in a row: the sealer halves what finds too little memory six times


def seal_waiting(board, keystore, signer):
    """Seal until no record waits; FwError where that cannot be."""
    journal = Journal(board.flash, {"policy": "stop"})
    recovery = journal.mount()
    session_book.settle(board.store, journal)
    if not _waits(journal):
        return
    sealer = _sealer(board, journal, keystore, signer)
    sealer.recover(recovery)
    _seal_all(journal, sealer)


def _seal_all(journal, sealer):
    """A batch at a time; what finds too little memory is tried again, with less in it."""
    tries = _TRIES
    while _waits(journal):
        if not tries:
            raise KeystoreError(
                "rollover-records",
                "expected that each record of a session can be sealed, found one that waits; the "
                "key stays: let the station run until it has sealed, and ask again",
            )
        try:
            tries = _TRIES if sealer.seal_once() else tries - 1
        except MemoryError:
            tries -= 1


def _waits(journal):
    return any([kind == OCMF for kind, _ in journal.unsealed()])


def _sealer(board, journal, keystore, signer):
    from . import config, station_profiles
    from .sealer import Sealer, Settings
    from .sealer_lost import LostReadings
    from .sealer_payload import PROVISIONING, Identity
    from .station_meters import energy_registers

    settings = config.load(board.read_file)
    profiles = station_profiles.load_profiles(settings, board.read_file)
    boot = Boots(board.store, UNKNOWN).boot
    clock = Clock(boot, board.ticks, board.rtc, Floor(board.store, BUILD_UNIX_S))
    identity = Identity(VERSION, settings.hash_8, board.store.get(PROVISIONING))
    limits = Settings(0, settings["batch_readings"], 12288, energy_registers(profiles))
    parts = (journal, keystore, signer, clock, LostReadings(board.store))
    return Sealer(parts, identity, board.random, lambda: {_HEALTH: {}}, limits)
