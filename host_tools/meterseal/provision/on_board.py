"""What runs on the board while it is put into service: indented bodies of functions."""

from typing import Final

# What is frozen is found as an import finds it, with nothing else on the path: `__file__` of a
# frozen module is no different from that of a file.
ABOUT: Final = """
    import sys, os, binascii, machine
    about = {"platform": sys.platform, "version": list(sys.implementation.version[:3])}
    about["mpy"] = getattr(sys.implementation, "_mpy", 0) & 0xff
    about["machine"] = getattr(sys.implementation, "_machine", "")
    about["unique_id"] = binascii.hexlify(machine.unique_id()).decode()
    about["frozen"] = []
    held = {name: sys.modules.pop(name) for name in list(sys.modules) if name[:5] == "agent"}
    path, sys.path[:] = sys.path[:], [".frozen"]
    try:
        from agent import version
        about["frozen"] = [version.VERSION, version.BUILD_UNIX_S]
    except ImportError:
        pass
    finally:
        sys.path[:] = path
        for name in [name for name in sys.modules if name[:5] == "agent"]:
            del sys.modules[name]
        sys.modules.update(held)
    about["journal"] = True
    if sys.platform == "esp32":
        import esp32
        kind = esp32.Partition.TYPE_DATA
        about["journal"] = bool(esp32.Partition.find(kind, label="journal"))
    return about
"""
# Everything that an import could find, and what a torn copy left. Slots of updates stay: nothing
# is imported from there that the signed update did not bring.
CODE: Final = """
    import os
    found, folders = [], [""]
    while folders:
        folder = folders.pop()
        for entry in os.ilistdir(folder or "/"):
            path = folder + "/" + entry[0]
            if entry[1] & 0x4000:
                if path[:5] != "/upd_":
                    folders.append(path)
            elif path[:7] == "/agent/" or path[:5] == "/lib/":
                found.append(path[1:])
            elif path[-3:] == ".py" or path[-4:] in (".mpy", ".new"):
                found.append(path[1:])
    return found
"""
REMOVE: Final = """
    import os
    for name in {names!r}:
        os.remove("/" + name)
"""
_BOARD: Final = """
    import binascii, main
    board = main.port_module().Board("/")
    board.root = ""
"""
# Nothing where there is no agent yet, no such port, or no chip that answers.
ELEMENT: Final = """
    try:
        import main
        board = main.port_module().Board("/")
    except ImportError:
        return None
    find = getattr(board, "find_element", None)
    return find({clock!r}, {address}) if find else None
"""
# Checked and kept as the station will find it, in place of what updates brought; its watchdog is
# not started.
CHECK: Final = (
    _BOARD
    + """
    from agent import checked, update_boot
    settings, profiles = main.check(board)
    update_boot.cable(board.store)
    checked.keep(board.store, board.read_file, settings, profiles)
    return len(settings["meters"])
"""
)
KEY: Final = (
    _BOARD
    + """
    from agent.keystore import NAME, Keystore
    from agent.sealer_payload import PROVISIONING
    if board.store.get(NAME) is None:
        return {{}}
    board.equip(main.check(board)[0])
    keystore = Keystore.load(board.store)
    public = keystore.signer(getattr(board, "element", None)).public_65
    record = board.store.get(PROVISIONING) or b""
    if {record!r} and not keystore.mark.number:
        record = binascii.unhexlify({record!r})
        board.store.set(PROVISIONING, record)
    return {{
        "public_key": binascii.hexlify(public).decode(),
        "provisioning_hash": binascii.hexlify(record).decode(),
        "begun": bool(keystore.mark.number),
    }}
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
ROLL_OVER: Final = (
    _BOARD
    + """
    from agent.rollover import roll_over
    board.equip(main.check(board)[0])
    return roll_over(board, {device!r}, binascii.unhexlify({entropy!r}))
"""
)
