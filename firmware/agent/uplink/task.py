"""Sends sealed batches, oldest first, and applies what the collector acknowledges.

| state | event | next |
|---|---|---|
| waiting | a batch waits, the poll interval is over, or the pause after a failure | calling |
| calling | acknowledged something | calling, while more waits |
| calling | acknowledged nothing that was sent, or failed | waiting, pause doubled, with jitter |

A failure changes nothing in the journal. Must never send a batch that the sealer does not release
(`may_send`), never believe an acknowledgement that does not match what is held, and never end
because of what the network does.
"""

import binascii
import gc

from agent import log
from agent.errors import ClockError, FwError, JournalAckError, UploadError

from ..constant import const
from . import answer as answers
from .kept import refusal
from .receipts import Receipts

_SLICE_MS = const(1000)
_MOST_BATCHES = const(1000)  # in one request
_PLACE_LEN = const(1024)  # memory for where a batch stands, 64-bit pointers
_FROM_A_SERVER = ("tls-", "http", "answ", "ack-")  # beginnings of codes
_SERVER_ERROR_MS = const(500)  # the collector's own clock, besides half the round trip


class Uplink:
    """`connection`: see http.Connection; `random(n)` gives bytes for the jitter."""

    def __init__(self, connection, journal, sealer, time_trust, clock, settings, random, sleep_ms):
        self._connection = connection
        self._journal = journal
        self._sealer = sealer
        self._time_trust = time_trust
        self._clock = clock
        self._settings = settings
        self._random = random
        self._sleep_ms = sleep_ms
        self._device_hex = ""
        self._failures = 0
        self._resend_from_ms = 0  # not before this time is a request to resend obeyed
        self._resent = None  # (number, newest batch then) of the last one
        self._numbers = []  # of the batches in a request, a mere statement apart
        self._last_hash = None  # of the last of them
        self._new_hash = None  # the same, if no earlier request can have held that batch
        self._known = sealer.number  # the newest when a request was last sent, or at the start
        self._requests = 0
        self._wake = True
        self.receipts = Receipts()
        self.trouble = "no-attempt"  # code of the last failure; "" after a call that went well
        self.reached = False  # some server answered in this boot, whatever it said
        self.afterwards = None  # coroutine of a connection, after each call that went well
        self.check_in = lambda: None

    def identify(self, kid_8):
        """Whose acknowledgements count."""
        self._device_hex = binascii.hexlify(kid_8).decode()

    def wake(self):
        """There is something to send."""
        self._wake = True

    async def run(self, check_in):
        """For ever; raises nothing that the network can cause."""
        self.check_in = self._connection.check_in = check_in
        while True:
            try:
                pause_ms = await self._call()
                self._failures = 0
                self.trouble = ""
                if self.afterwards:
                    await self.afterwards(self._connection)
            except FwError as error:
                pause_ms = self._failed(error)
            except (OSError, ValueError) as error:
                pause_ms = self._failed(refusal(error, "network"))
            except MemoryError:
                pause_ms = self._failed(_no_memory())
            await self._pause(pause_ms)

    def _failed(self, error):
        self._failures += 1
        self.trouble = error.code
        self.reached = self.reached or error.code[:4] in _FROM_A_SERVER
        gc.collect()
        pause_ms = pause_after(self._failures, self._settings, self._random(1)[0])
        log.warn("uplink", "failed", code=error.code, text=error.text, retry_ms=pause_ms)
        self._wake = False
        return pause_ms

    async def _pause(self, pause_ms):
        """Wait; between failures nothing but the end of the pause counts."""
        end_ms = self._clock.mono_ms() + pause_ms
        while True:
            self.check_in()
            left_ms = end_ms - self._clock.mono_ms()
            if left_ms <= 0 or (self._wake and not self._failures):
                self._wake = False
                return
            await self._sleep_ms(min(left_ms, _SLICE_MS))

    async def _call(self):
        """Send what waits; milliseconds until the next call."""
        reads, length = self._gather()
        while True:
            progress = self._apply(await self._exchange(reads, length))
            if reads and not progress:
                progress = self._journal.resent(self._numbers[-1]) if self._numbers else False
            if reads and not progress:
                if self._connection.heard_from_ms is not None:
                    await self._connection.close()  # and with it answers to earlier requests
                raise UploadError(
                    "ack-none",
                    "expected an acknowledgement of what was sent, found none; it is kept",
                )
            if progress:
                reads, length = self._gather()
            if not progress or not reads:
                return self._settings["poll_interval_s"] * 1000

    def _gather(self):
        """([read, ...], bytes) of the oldest batches that fit one request."""
        reads = []
        self._numbers = []
        length = 0
        most, most_batches = self._room()
        for number, hash_32, read in self._journal.batches():
            if not self._sealer.may_send(hash_32) or len(reads) == most_batches:
                break
            size = len(read())
            if reads and length + size > most:
                break
            reads.append(read)
            length += size
            self._numbers.append(number)
            self._last_hash = hash_32
        return self._with_statement(reads, length, most)

    def _with_statement(self, reads, length, most):
        """The newest batch too, where batches are lost: only the statement that it makes lets the
        collector acknowledge what stands behind the gap, and the backlog may be long. If no other
        fits beside it, the oldest and it go in turn, from one failure to the next.
        """
        if not reads or not self._journal.lost:
            return reads, length
        for _, hash_32, read in self._journal.batches(self._sealer.number):
            newest = read()
            if not self._sealer.may_send(hash_32) or newest == reads[-1]():
                break
            size = len(newest)
            if len(reads[0]()) + size > most and not self._failures & 1:
                break
            while reads and length + size > most:
                length -= len(reads.pop()())
                self._numbers.pop()
            reads.append(read)
            length += size
        return reads, length

    def _room(self):
        """(most bytes, most batches) of one request: as configured, less with little memory.

        Batches are read one at a time, but what waits in the sockets takes memory as well, and so
        does knowing where each of them stands.
        """
        most = self._settings["request_max_bytes"]
        if not hasattr(gc, "mem_free"):
            return most, _MOST_BATCHES
        gc.collect()
        free = gc.mem_free()
        return min(most, free // 2), min(_MOST_BATCHES, free // 4 // _PLACE_LEN + 1)

    async def _exchange(self, reads, length):
        """One request; a kept connection that turns out to be dead is opened again at once."""
        if self._connection.is_open:
            try:
                return await self._request(reads, length)
            except UploadError as error:
                if error.code != "http-cut":
                    raise
        await self._time_trust.prepare()
        try:
            await self._connection.open()
            return await self._request(reads, length)
        except UploadError as error:
            self._time_trust.failed(error.code)
            raise

    async def _request(self, reads, length):
        is_new = self._numbers and self._numbers[-1] > self._known
        self._new_hash = self._last_hash if is_new else None
        self._known = self._sealer.number
        self._requests += 1
        if reads:
            pieces = (read() for read in reads)
            body = await self._connection.request(
                "POST", "/v1/batches", length, pieces, answers.MOST_BYTES
            )
        else:
            path = "/v1/head?device=" + self._device_hex
            body = await self._connection.request("GET", path, 0, (), answers.MOST_BYTES)
        return answers.parse(body, self._device_hex)

    def _apply(self, answer):
        """Apply an answer; True if that changed what is to be sent."""
        self.reached = True
        asked_ms = self._asked_ms(answer.acks)
        if asked_ms is not None:
            self._take_time(answer.time_unix_ms, asked_ms)
        progress = False
        for chain_16, number, hash_32 in answer.acks:
            if not self._journal.knows(chain_16):
                continue  # of a chain that is done with, or that another journal held
            progress = self._acknowledge(chain_16, number, hash_32) or progress
        if answer.receipt and progress:
            self.receipts.take(answer.receipt)
        return self._resend(answer.resend) or progress

    def _asked_ms(self, acks):
        """Since when this answer can have been given; None if nobody knows.

        By way of a broker it may be the answer to an earlier request. None of those can name a
        batch that was sent with this one for the first time; and the first request of a boot can
        only meet what is answered while it listens.
        """
        connection = self._connection
        heard_from_ms = connection.heard_from_ms
        named = [hash_32 for chain_16, _, hash_32 in acks if chain_16 == self._sealer.chain_16]
        if heard_from_ms is None or self._new_hash in named:
            return connection.sent_ms
        return heard_from_ms if self._requests == 1 else None

    def _take_time(self, t_unix_ms, asked_ms):
        """The collector answered at some moment since `asked_ms`.

        A collector with an absurd clock is not believed, but its acknowledgements are.
        """
        half_ms = (self._clock.mono_ms() - asked_ms) // 2
        try:
            self._time_trust.confirmed(t_unix_ms, half_ms + _SERVER_ERROR_MS, asked_ms + half_ms)
        except ClockError as error:
            log.warn("uplink", "time", code=error.code, t_unix_ms=t_unix_ms)

    def _acknowledge(self, chain_16, number, hash_32):
        """True if it was news; old ones count too after `resend_from`."""
        try:
            news = self._journal.acknowledge(chain_16, number, hash_32)
        except JournalAckError as error:
            raise UploadError(error.code, error.text)
        if news:
            log.info("uplink", "acknowledged", number=number, waiting=self._journal.waiting)
        return news

    def _resend(self, entries):
        """Go back as the collector asks, but only once in a while: sending costs data."""
        now_ms = self._clock.mono_ms()
        if now_ms < self._resend_from_ms:
            return False
        for chain_16, number in entries:
            asked = (number, self._sealer.number)
            if chain_16 == self._sealer.chain_16 and asked != self._resent:
                self._resent = asked  # again only when a newer batch may state what is lost
                self._resend_from_ms = now_ms + self._settings["retry_max_s"] * 1000
                log.info("uplink", "resend", number=number)
                self._journal.resend_from(number)
                return True
        return False


def pause_after(failures, settings, random_byte):
    """Milliseconds: doubles from `retry_min_s` to `retry_max_s`, less up to half at random."""
    longest_s = settings["retry_max_s"]
    pause_s = min(settings["retry_min_s"] << min(failures - 1, 16), longest_s)
    return pause_s * 1000 - pause_s * 500 * random_byte // 256


def _no_memory():
    return UploadError("no-memory", "expected memory for a request, found none; tried again later")
