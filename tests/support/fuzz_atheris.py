"""Fuzzing of the decoder by atheris (libFuzzer), as a program: arguments are libFuzzer's.

Every input is taken as a payload and as a whole batch; anything but VerificationError ends it.
"""

import contextlib
import sys
from pathlib import Path

import atheris

sys.path[:0] = [str(Path(__file__).resolve().parents[2] / "host_tools")]
with atheris.instrument_imports(include=["meterseal.wire"]):
    from meterseal.errors import VerificationError
    from meterseal.wire.envelope import open_envelope
    from meterseal.wire.fast import PayloadReader
    from meterseal.wire.readings import read_readings

READER = PayloadReader()


def one(data: bytes) -> None:
    """One input."""
    with contextlib.suppress(VerificationError):
        read_readings(READER.read(data))
    with contextlib.suppress(VerificationError):
        open_envelope(data)


atheris.Setup(sys.argv, one)
atheris.Fuzz()
