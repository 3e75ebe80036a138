"""What a P-256 signature costs on the device, in modular multiplications `a * b % p` of 256 bits.

The unit carries over between machines: the same code runs on a microcontroller, where one
multiplication takes longer. `sign_mulmods` has the table as bytes, as a frozen build or ROMFS
gives it; `sign_mulmods_file_table` reads it from a file by seek, as stock boards do (on a PC,
whose file cache flatters it). Everything a signature needs is counted: nonce, both inversions,
table look-ups, the check of the nonce point, garbage collection.
"""

import os
import subprocess
import sysconfig
from pathlib import Path

HERE = Path(__file__).resolve().parent
FIRMWARE = HERE.parent.parent / "firmware"


def figures() -> dict[str, float]:
    """Names and values as one MicroPython process measures them."""
    command = [
        Path(sysconfig.get_path("scripts")) / "micropython",
        HERE / "sign_on_vm.py",
        FIRMWARE / "agent" / "p256_table.bin",
    ]
    environment = {**os.environ, "MICROPYPATH": str(FIRMWARE)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    lines = [line.split() for line in done.stdout.splitlines()]
    return {name: round(float(value), 1) for name, value in lines}


if __name__ == "__main__":
    for name, value in figures().items():
        print(f"{name:28} {value:10.1f}")
