"""Composition root: chooses the port, reads the configuration, starts the station.

On a PC: `micropython main.py STATION_DIR [--enrol | --check]`. On a board the directory is `/`.
`--check` only checks the configuration, and keeps the result for the boots to come. The only
module that imports a port.
"""

import asyncio
import gc
import sys
import time

_RETRY_S = 5
_LOADING = 4096  # bytes between two collections: modules then lie close to one another


def port_module():
    """The port for this machine."""
    if sys.platform == "esp32":
        from agent.ports import esp32 as port  # noqa: TID251 - the one place
    else:
        from agent.ports import unix as port  # noqa: TID251 - the one place
    return port


def load(board, strict=False):
    """(configuration, profiles), checked; what checks them is forgotten before the rest comes."""
    from agent import checked, forget

    found = checked.read(board.store, board.read_file)
    if found is None:
        found = check(board) if strict else check_or_fall_back(board)
        if hasattr(board, "copies"):  # a PC has none
            board.copies.passed()
        checked.keep(board.store, board.read_file, *found)
    board.configure(found[0])
    del checked
    forget.modules("checked")
    return found


def start(board, loaded=None):
    """The station's application. Memory is tidied often until it stands, then when a quarter of
    what is free has been used: what lives long lies close together.

    `loaded()` is called when the code is there and no object of it yet.
    """
    tidy = getattr(gc, "threshold", lambda bytes: None)
    tidy(_LOADING)
    settings, profiles = load(board)
    from agent import assembly, forget
    from agent.app import App

    if loaded:
        loaded()
    app = App(board, settings, profiles)
    del assembly
    settings.drop("buses", "meters", "network", "quantities")
    forget.modules("assembly", "config_places")
    forget.sealing()
    gc.collect()
    tidy(gc.mem_free() // 4 if hasattr(gc, "mem_free") else -1)
    return app


def check(board):
    """(configuration, profiles) from their files; FwError says what is wrong."""
    from agent import config, forget, station_profiles

    settings = config.load(board.read_file)
    profiles = station_profiles.load_profiles(settings, board.read_file)
    del config, station_profiles
    forget.modules("config", "config_fields", "config_rules")
    forget.modules("station_profiles", "profile", "profile_check")
    return settings, profiles


def check_or_fall_back(board):
    """As `check`; what does not pass is read once more, from the copies that did."""
    from agent.errors import FwError

    try:
        return check(board)
    except FwError:
        if not (hasattr(board, "copies") and board.copies.fall_back()):
            raise
    return check(board)


def run(board, arguments, in_slot):
    """What the arguments ask for; without one the station, in the version that counts."""
    if "--enrol" in arguments:
        import json

        from agent.enrol import enrol

        print(json.dumps(enrol(board, board.random(32))))  # noqa: TID251 - nothing signed
    elif board.safe_mode():
        print("safe mode: the station does not start; reset to leave it")
    elif "--check" in arguments:
        settings, _ = load(board, strict=True)
        from agent import config_places

        config_places.check(board, settings)
        print("the configuration is right")
    elif [name for name in ("upd_code", "upd_set", "upd_img") if board.store.get(name)]:
        return run_updated(board, arguments, in_slot)
    else:
        asyncio.run(start(board).run())
    return 0


def run_updated(board, arguments, in_slot):
    """The station on a board that had updates: perhaps another version than this one."""
    from agent import update_boot
    from agent.version import BUILD_UNIX_S

    directory = None if in_slot else update_boot.code(board, BUILD_UNIX_S)
    if directory:
        return update_boot.hand_over(board, directory, arguments)
    update_boot.lay_over(board)
    return update_boot.station(board, lambda: start(board))


def main(arguments, in_slot=False):
    """Run the station in the directory that the first argument names; 0, or 1 after a refusal.

    `in_slot`: this version was installed by an update, and another one handed over to it.
    """
    from agent.errors import FwError

    board = None
    try:
        board = port_module().Board(arguments[0] if arguments else "/")
        board.root = arguments[0].rstrip("/") if arguments else ""
        return run(board, arguments, in_slot)
    except FwError as error:
        print("refused: %s: %s" % (error.code, error.text))
        if error.code == "store-unreadable" and board and not arguments[1:]:
            time.sleep(_RETRY_S)  # nothing was changed: perhaps it can be read then
            board.reset(error.code)
        stopped(board, error, arguments)
        return 1
    except KeyboardInterrupt:
        print("interrupted: nothing is read until the next reset")
        if board:
            board.attended()
    except Exception as error:  # a board must not stay where nobody resets it
        if in_slot or not stopped(board, error, arguments):
            raise  # from a slot: who handed over gives this version up
        return 1
    return 0


def stopped(board, error, arguments):
    """Nothing runs any more: where nobody would start a board again, do so after a pause, and keep
    the reason. False on a PC, and where somebody only asked for something. Whoever breaks in
    during the pause ends it.
    """
    if board is None or arguments[1:] or not hasattr(board, "pause_and_reset"):
        return False
    from agent.boots import keep_reset_reason
    from agent.supervisor import reason_of

    print("stopped: %s; the board starts again soon" % reason_of(error))
    keep_reset_reason(board.store, "start: " + reason_of(error))
    board.pause_and_reset()
    return True


if __name__ == "__main__":
    if sys.platform != "esp32":
        sys.path.insert(0, sys.argv[0].rpartition("/")[0] or ".")
    code = main(sys.argv[1:])
    if sys.argv[1:]:  # a board has none: an exit would restart it, and nobody could break in
        sys.exit(code)
