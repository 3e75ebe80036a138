"""The signing table costs no RAM where it stays in flash: on ROMFS, as a file and as a module.

ROMFS on the MicroPython VM stands in for frozen code: both use constants in place.
"""

import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

FIRMWARE = Path(__file__).resolve().parents[2] / "firmware"
SCRIPTS = Path(sysconfig.get_path("scripts"))
MODULES = (
    "__init__",
    "constant",
    "errors",
    "p256",
    "p256_field",
    "p256_nonce",
    "p256_source",
    "p256_table",
)
KEY_HEX = "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721"
DIGEST_HEX = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
# RFC 6979 A.2.5, SHA-256 of "test"; its s is low
SIGNATURE_HEX = (
    "f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367"
    "019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083"
)

# Mounts the image, signs, prints the signature and by how many bytes the heap in use has grown.
SCRIPT = """
import gc, sys, vfs
from binascii import hexlify, unhexlify
with open(sys.argv[1], "rb") as file:
    image = file.read()
vfs.mount(vfs.VfsRom(memoryview(image)), "/rom")
sys.path[:] = ["/rom"]
gc.collect()
before = gc.mem_alloc()
from agent import p256
p256.check_table()
signature = p256.sign_digest(unhexlify(sys.argv[2]), unhexlify(sys.argv[3]))
gc.collect()
print(hexlify(signature).decode(), gc.mem_alloc() - before)
"""


def build_image(folder: Path, as_module: bool) -> Path:
    """A ROMFS image with the signer and its table."""
    agent = folder / "rom" / "agent"
    agent.mkdir(parents=True)
    for name in MODULES:
        shutil.copy(FIRMWARE / "agent" / f"{name}.py", agent)
    if as_module:
        module = agent / "p256_table_frozen.py"
        tool = FIRMWARE / "tools" / "make_p256_table.py"
        subprocess.run([sys.executable, tool, "--frozen", module], check=True, capture_output=True)
    else:
        shutil.copy(FIRMWARE / "agent" / "p256_table.bin", agent)
    image = folder / "agent.romfs"
    command = [SCRIPTS / "mpremote", "romfs", "-o", image, "build", folder / "rom"]
    path = f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "PATH": path})
    return image


@pytest.mark.parametrize("as_module", [False, True], ids=["file", "module"])
def test_the_table_is_used_in_place(tmp_path: Path, as_module: bool) -> None:
    image = build_image(tmp_path, as_module)
    script = tmp_path / "sign.py"
    script.write_text(SCRIPT)
    done = subprocess.run(
        [SCRIPTS / "micropython", script, image, KEY_HEX, DIGEST_HEX],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    signature, grown = done.stdout.split()
    assert signature == SIGNATURE_HEX
    assert int(grown) < 32768  # code objects of a 64-bit VM included; the table alone is 69632
