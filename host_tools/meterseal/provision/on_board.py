"""What runs on the board while it is put into service: indented bodies of functions."""

from typing import Final

ABOUT: Final = """
    import sys, os, binascii, machine
    about = {"platform": sys.platform, "version": list(sys.implementation.version[:3])}
    about["mpy"] = getattr(sys.implementation, "_mpy", 0) & 0xff
    about["machine"] = getattr(sys.implementation, "_machine", "")
    about["unique_id"] = binascii.hexlify(machine.unique_id()).decode()
    try:
        import agent
        about["frozen"] = ".frozen" in getattr(agent, "__file__", "")
    except ImportError:
        about["frozen"] = False
    about["journal"] = True
    if sys.platform == "esp32":
        import esp32
        kind = esp32.Partition.TYPE_DATA
        about["journal"] = bool(esp32.Partition.find(kind, label="journal"))
    return about
"""
_BOARD: Final = """
    import binascii, main
    board = main.port_module().Board("/")
    board.root = ""
"""
AGENT: Final = """
    from agent.version import VERSION
    return VERSION
"""
# Checked and kept as the station will find it; its watchdog is not started.
CHECK: Final = (
    _BOARD
    + """
    from agent import checked
    settings, profiles = main.check(board)
    checked.keep(board.store, board.read_file, settings, profiles)
    return len(settings["meters"])
"""
)
PUBLIC_KEY: Final = (
    _BOARD
    + """
    from agent.keystore import NAME, Keystore
    if board.store.get(NAME) is None:
        return None
    board.equip(main.check(board)[0])
    signer = Keystore.load(board.store).signer(getattr(board, "element", None))
    return binascii.hexlify(signer.public_65).decode()
"""
)
ENROL: Final = (
    _BOARD
    + """
    from agent.enrol import enrol
    board.equip(main.check(board)[0])
    return enrol(board, binascii.unhexlify({entropy!r}))
"""
)
PROVE: Final = (
    _BOARD
    + """
    from agent.possession import prove
    board.equip(main.check(board)[0])
    return binascii.hexlify(prove(board, binascii.unhexlify({nonce!r}))).decode()
"""
)
# The laptop's time is nobody's that can be checked: it serves TLS and is not called genuine.
CLOCK: Final = (
    _BOARD
    + """
    import time
    from agent.clock import epoch_s
    board.equip(main.check(board)[0])
    board.rtc.set_system({t_unix_ms}, False)
    return (time.time() + epoch_s(time.gmtime)) * 1000 - {t_unix_ms}
"""
)
