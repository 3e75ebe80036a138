"""Runs the firmware on the MicroPython VM and holds still at one operation, so that a test can
kill it there: `micropython held_station.py STATION_DIR PHASE COUNT`.

Phases: `boot` (before the application runs), `reading`, `seal`, `mark`, `upload`, `ack`. The
operations of a phase are its beginning and end and each durable write or piece of a request in
between; the innermost phase counts. Before operation number COUNT of PHASE in this run it says
`held PHASE` and does nothing any more.
"""

import sys
import time

FIRMWARE, HOME, WANTED, COUNT = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
sys.path.insert(0, FIRMWARE)

import main  # noqa: E402 - the path comes first
from agent import app, journal, keystore, recorder, sealer  # noqa: E402
from agent.ports import unix_storage  # noqa: E402
from agent.uplink import http  # noqa: E402

phases = ["boot"]
passed = {}


def operation():
    """Count an operation of the phase, and hold at the one that is wanted."""
    phase = phases[-1]
    passed[phase] = passed.get(phase, 0) + 1
    if phase == WANTED and passed[phase] > COUNT:
        print("held", phase)
        time.sleep(600)


def within(owner, name, phase):
    """Make a method a phase."""
    real = getattr(owner, name)

    def method(*args, **named):
        phases.append(phase)
        operation()
        try:
            return real(*args, **named)
        finally:
            operation()
            phases.pop()

    setattr(owner, name, method)


def counted(owner, name):
    """Make a method an operation of whatever phase calls it."""
    real = getattr(owner, name)

    def method(*args):
        operation()
        return real(*args)

    setattr(owner, name, method)


def started(real):
    """The application runs: from here on only what is named counts."""

    def run(self):
        operation()
        phases[0] = "running"
        return real(self)

    return run


class HeldFiles(unix_storage.PcFiles):
    """Files of which each replacement is an operation."""

    @staticmethod
    def rename(old, new):
        operation()
        unix_storage.os.rename(old, new)


within(recorder.Recorder, "reading", "reading")
within(sealer.Sealer, "seal_once", "seal")
within(keystore.Keystore, "raise_mark", "mark")
within(journal.Journal, "acknowledge", "ack")
counted(unix_storage.FileFlash, "writeblocks")
counted(unix_storage.FileStore, "set")
app.App.run = started(app.App.run)
real_write = http.Connection._write


def write_piece(self, data):
    """A piece of a request: an operation of the upload, wherever the loop is."""
    phases.append("upload")
    operation()
    phases.pop()
    return real_write(self, data)


http.Connection._write = write_piece
main.port_module().PcFiles = HeldFiles
main.main([HOME])
