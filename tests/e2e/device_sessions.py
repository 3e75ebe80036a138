"""Runs on the MicroPython VM: random charging sessions of the real firmware; prints what left.

Usage: micropython device_sessions.py TESTS SEED SESSIONS
First line: the public key in hexadecimal; then every OCMF record, one a line.
"""

import sys

sys.path[:0] = [sys.argv[1], sys.argv[1] + "/../firmware", sys.argv[1] + "/lib"]

from agent.clock import COLLECTOR, RTC  # noqa: E402 - the path comes first
from fakes.nor_faults import Random  # noqa: E402
from support.session_station import SessionWorld  # noqa: E402

WHO = ("", "04A2B3C4", "x|y", "\u0e02\u0e2d\u0e19", "DE-ABC-C12345678-9")


def begin(world, random):
    """The trigger of a session."""
    world.watts = 2000 + random.below(9000)
    who = WHO[random.below(len(WHO))]
    if world.settings_of_session["trigger"] == "command" or who:
        world.sessions.command(1, "start", who)
    world.closed = True


def end(world, random):
    """The end of a session; power cut in front of it or not."""
    if world.settings_of_session["trigger"] == "command":
        world.sessions.command(1, ("stop", "stop-remote")[random.below(2)])
    world.closed, world.watts = False, 0


def restart(world, random):
    """The power goes and comes; the clock is what it is then."""
    world.clock_source = (None, RTC, COLLECTOR)[random.below(3)]
    world.boot()


def spoil(world, random):
    """Something that goes wrong while a car is charging."""
    what = random.below(8)
    if what == 0:
        world.change_meter(1000 + random.below(9000))
    elif what == 1:
        world.energy_mwh -= 5000000
    elif what == 2:
        for _ in range(20):
            world.step(status=(1, 2, 4, 130)[random.below(4)])
    elif what == 3:
        world.closed, world.watts = False, 0
        restart(world, random)
    elif what == 4:
        restart(world, random)
    elif what == 5:
        for _ in range(12):
            world.step(flags=2)


def one(world, random):
    """One session and the pause behind it."""
    begin(world, random)
    for _ in range(1 + random.below(4)):
        world.step(1 + random.below(60))
    spoil(world, random)
    world.step()
    end(world, random)
    for _ in range(4):
        world.step()
    if random.below(4) == 0:
        restart(world, random)


def main(seed, count):
    """A third of the sessions by each trigger, on one board after the other."""
    random = Random(seed)
    held = {"trigger": "power", "start_hold_s": 30, "stop_hold_s": 60}
    changes = ({"trigger": "contact"}, held, {"trigger": "command"})
    for number, change in enumerate(changes):
        world = SessionWorld(fiscal_interval_s=600, **change).boot()
        if number == 0:
            print("".join([f"{byte:02x}" for byte in world.keystore.signer().public_65]))
        while world.sessions.book.pages["T"] < (count + 2 - number) // 3:
            one(world, random)
        world.finish()
        for record in world.records():
            print(record)


main(int(sys.argv[2]), int(sys.argv[3]))
