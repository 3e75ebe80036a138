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
from .answer_time import AnswerTime
from .kept import refusal
from .load import fill
from .receipts import Receipts

_SLICE_MS = const(1000)
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
        self._answered = AnswerTime(connection, sealer)
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
        load = self._load()
        while True:
            progress = self._apply(await self._exchange(load))
            if load.reads and not progress:
                progress = self._journal.resent(load.numbers[-1]) if load.numbers else False
            if load.reads and not progress:
                if self._connection.heard_from_ms is not None:
                    await self._connection.close()  # and with it answers to earlier requests
                raise UploadError(
                    "ack-none",
                    "expected an acknowledgement of what was sent, found none; it is kept",
                )
            if progress:
                load = self._load()
            if not progress or not load.reads:
                return self._settings["poll_interval_s"] * 1000

    def _load(self):
        most_bytes = self._settings["request_max_bytes"]
        return fill(self._journal, self._sealer, most_bytes, self._failures & 1)

    async def _exchange(self, load):
        """One request; a kept connection that turns out to be dead is opened again at once."""
        if self._connection.is_open:
            try:
                return await self._request(load)
            except UploadError as error:
                if error.code != "http-cut":
                    raise
        await self._time_trust.prepare()
        try:
            await self._connection.open()
            return await self._request(load)
        except UploadError as error:
            self._time_trust.failed(error.code)
            raise

    async def _request(self, load):
        self._answered.asking(load.numbers[-1] if load.numbers else 0, load.last_hash)
        if load.reads:
            pieces = (read() for read in load.reads)
            body = await self._connection.request(
                "POST", "/v1/batches", load.length, pieces, answers.MOST_BYTES
            )
        else:
            path = "/v1/head?device=" + self._device_hex
            body = await self._connection.request("GET", path, 0, (), answers.MOST_BYTES)
        return answers.parse(body, self._device_hex)

    def _apply(self, answer):
        """Apply an answer; True if that changed what is to be sent."""
        self.reached = True
        asked_ms = self._answered.since_ms(answer.acks)
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
