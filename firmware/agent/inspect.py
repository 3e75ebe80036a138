"""What the console answers: state, log, check, pull and challenge. Loaded only when asked.

`state`: figures. `log`: the newest lines. `check`: the self-test, while everything runs. `pull N`:
the batches of the chain from number N on. `challenge HEX`: reads the meters now and seals them
together with the nonce, in a batch of its own. `time MS`: the technician's time, believed unless a
collector has said it. `session start|stop|stop-remote N [WHO]`: from the controller. Must never
stop the sampling, and never give out anything that is not signed for the world anyway.
"""

import binascii
import gc

from . import log
from .clock import OPERATOR
from .constant import const
from .errors import FwError
from .version import VERSION

_CHUNK = const(384)
_SEAL_MS = const(700)  # what a signature may take
_WAIT_MS = const(90000)
_NONCE_MIN = const(8)
_NONCE_MAX = const(64)
_TRIES = const(3)
_BY_HAND_MS = const(60000)  # how far a laptop's clock may be off
_BUS_ERRORS = const(20)  # one request out of so many may fail, and one more
# How many of network, TLS, collector worked, by the beginning of the uplink's last code.
_FAR = {"": 3, "ack-": 3, "upda": 3, "answ": 2, "http-s": 2, "http-m": 2, "http": 1, "tls-": 1}


class InspectError(FwError):
    """A question that cannot be answered."""


async def answer(app, question, out):
    """Answer one question with lines to `out`; the last one is {0: "end"}."""
    words = question.split()
    verb = words[0] if words else ""
    if verb not in _VERBS:
        raise InspectError(
            "inspect-question",
            "expected one of %s, found %r" % (", ".join(sorted(_VERBS)), verb[:20]),
        )
    await _VERBS[verb](app, words[1:], out)
    await out.send({0: "end"})


async def _state(app, words, out):
    gc.collect()
    mark, health = app.keystore.mark, app.journal.health()
    figures = {
        0: "state",
        1: VERSION,
        2: app.signer.public_65,
        3: app.signer.key_class,
        4: [app.clock.boot, app.clock.mono_ms()],
        6: app.keystore.chain_16 or b"",
        7: [mark.number, mark.hash_32 or b"", mark.next_sequence],
        8: app.meters.next_sequence,
        9: app.seal_task.interval_s,
        10: [health[name] for name in ("fill_permille", "records_permille", "waiting", "erased")],
        11: [app.journal.acknowledged, len(health["bad_sectors"]), health["damaged"]],
        12: [[one.name, one.state, one.failures] for one in app.supervisor.tasks],
        13: gc.mem_free() if hasattr(gc, "mem_free") else 0,
        14: [app.recorder.dropped, app.meters.missed, len(app.journal.lost)],
    }
    if app.clock.utc_ms() is not None:
        figures[5] = app.clock.utc_ms()
    await out.send(figures)
    for watch in app.meters.watches:
        reader = watch.reader
        about = {0: "meter", 1: reader.profile.id, 2: reader.unit, 3: watch.state}
        about[4] = list(reader.counters())
        await out.send(about)


async def _log(app, words, out):
    for line in log.recent():
        await out.send({0: "line", 1: line[:_CHUNK]})


async def _check(app, words, out):
    health = app.journal.health()
    states = [watch.state for watch in app.meters.watches]
    await out.send(_result("signing table", _table_is_right(), "SHA-256"))
    flash = "%d bad sectors, %d read errors" % (len(health["bad_sectors"]), health["read_errors"])
    await out.send(_result("flash", not (health["bad_sectors"] or health["read_errors"]), flash))
    fill = "%d permille waiting for the collector" % health["fill_permille"]
    await out.send(_result("journal", health["fill_permille"] < 800, fill))
    present = all([state == "present" for state in states])
    await out.send(_result("meters", states and present, ", ".join(states)))
    await out.send(_bus(app))
    await out.send(_result("clock", app.clock.utc_ms() is not None, "time of day"))
    for name, good, text in _way(app):
        await out.send(_result(name, good, text))
    waiting = "%d batches wait" % health["waiting"]
    await out.send(_result("acknowledged", app.uplink and app.journal.acknowledged, waiting))


def _bus(app):
    """What failed since the boot, in all: timeouts, CRC, malformed, exceptions."""
    figures = [watch.reader.counters() for watch in app.meters.watches]
    failed, ok = sum([sum(one[1:5]) for one in figures]), sum([one[0] for one in figures])
    text = "%d of %d requests failed" % (failed, failed + ok)
    return _result("bus", ok and failed <= 1 + (failed + ok) // _BUS_ERRORS, text)


def _way(app):
    """(step, whether it works, text) of the way to the collector, by the last attempt."""
    found = app.uplink.trouble if app.uplink else "none"
    far = _FAR.get(found[:6], _FAR.get(found[:4], 0))
    if app.board.link and not app.board.link.is_up():
        far = 0
    names = ("network", "tls", "collector")
    return [(names[i], i < far, "ok" if i < far else found) for i in range(3)]


async def _time(app, words, out):
    """What is believed afterwards: UTC and its source."""
    app.clock.set_utc(int(words[0]), OPERATOR, _BY_HAND_MS)
    await out.send({0: "time", 1: app.clock.utc_ms(), 2: app.clock.anchor()[3]})


def _result(name, good, text):
    return {0: "check", 1: name, 2: 1 if good else 0, 3: text}


def _table_is_right():
    from .p256_table import check_table

    try:
        check_table()
    except FwError:
        return False
    return True


async def _pull(app, words, out):
    number = int(words[0]) if words else 1
    while True:
        found = next(app.journal.batches(number), None)
        if found is None:
            return
        number, hash_32, read = found
        await _send_batch(number, hash_32, read(), out)
        number += 1


async def _send_batch(number, hash_32, data, out):
    await out.send({0: "batch", 1: number, 2: hash_32, 3: len(data)})
    for at in range(0, len(data), _CHUNK):
        await out.send({0: "part", 1: at, 2: bytes(data[at : at + _CHUNK])})


async def _challenge(app, words, out):
    nonce = binascii.unhexlify(words[0]) if words else b""
    if not _NONCE_MIN <= len(nonce) <= _NONCE_MAX:
        raise InspectError("inspect-nonce", "expected a nonce of 8 to 64 bytes in hexadecimal")
    nonces = [[nonce, app.clock.boot, app.clock.mono_ms()]]
    while await _sealed(app, out, None):
        pass  # what was read before the question goes into batches of its own
    for _ in range(_TRIES):  # the regular seal may take the readings first
        await _read_now(app, out)
        sealed = await _sealed(app, out, nonces)
        if sealed:
            number, hash_32 = sealed
            await _send_batch(number, hash_32, next(app.journal.batches(number))[2](), out)
            return
    raise InspectError("inspect-busy", "expected readings to seal, found none; ask again")


async def _read_now(app, out):
    """Every meter once, ahead of the grid, which goes on as before."""
    wanted = app.meters.next_sequence + len(app.meters.watches)
    app.meters.poll_soon()
    await _until(app, out, lambda: app.meters.next_sequence >= wanted)


async def _sealed(app, out, nonces):
    """Seal what waits, while no meter is being asked; None if nothing waited."""
    need_ms = min(_SEAL_MS, app.meters.interval_ms // 2)
    await _until(app, out, lambda: app.meters.idle_ms() >= need_ms)
    app.nonces = nonces
    try:
        sealed = app.sealer.seal_once()
    finally:
        app.nonces = None
    if sealed:
        app.seal_task.sealed(sealed)
    return sealed


async def _until(app, out, condition):
    end_ms = app.clock.mono_ms() + _WAIT_MS
    while not condition():
        if app.clock.mono_ms() > end_ms:
            raise InspectError("inspect-busy", "expected idle meters, found them busy; ask again")
        await out.pause()


async def _session(app, words, out):
    if not app.sessions or len(words) < 2 or not words[1].isdigit():
        raise InspectError(
            "inspect-session",
            "expected `start`, `stop` or `stop-remote`, a connector and perhaps who charges, on a "
            "station whose configuration has sessions",
        )
    named = app.sessions.command(int(words[1]), words[0], " ".join(words[2:]))
    await out.send({0: "session", 1: int(words[1]), 2: named})


_VERBS = {
    "state": _state,
    "log": _log,
    "check": _check,
    "pull": _pull,
    "challenge": _challenge,
    "session": _session,
    "time": _time,
}
