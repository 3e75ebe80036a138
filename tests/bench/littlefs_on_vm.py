"""Runs in the MicroPython VM: readings appended to a file on LittleFS and flushed, one by one.

Usage: micropython littlefs_on_vm.py TESTS_DIR RECORD_LEN BATCH_LEN HOURS. Prints the bytes
programmed for each reading, on the same model of the flash as the journal's figures.
"""

import sys

sys.path.insert(0, sys.argv[1])

import vfs
from fakes.nor_flash import NorFlash

READINGS = 60
SECTORS = 128


def run(record_len, batch_len, hours):
    """Bytes programmed for each reading; sealed ones are removed, as the journal frees them."""
    flash = NorFlash(SECTORS)
    vfs.VfsLfs2.mkfs(flash)
    system = vfs.VfsLfs2(flash)
    vfs.mount(system, "/lfs")
    before = flash.count.bytes_programmed
    for hour in range(hours):
        with open("/lfs/readings", "wb") as readings:
            for _ in range(READINGS):
                readings.write(bytes(record_len))
                readings.flush()
        with open(f"/lfs/batch{hour % 50}", "wb") as batch:
            batch.write(bytes(batch_len))
    return (flash.count.bytes_programmed - before) / (READINGS * hours)


print(run(int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])))
