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

from agent import log
from agent.errors import FwError, JournalAckError, UploadError

from . import answer as answers
from .failures import is_about_time

_SLICE_MS = 1000
_SERVER_ERROR_MS = 500  # the collector's own clock, besides half the round trip


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
        self._asked_again = None
        self._wake = True
        self.receipt = None
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
            except FwError as error:
                pause_ms = self._failed(error)
            await self._pause(pause_ms)

    def _failed(self, error):
        self._failures += 1
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
        while True:
            batches, length = self._gather()
            answer, began_ms = await self._exchange(batches, length)
            progress = self._apply(answer, began_ms)
            if batches and not progress:
                raise UploadError(
                    "ack-none",
                    "expected an acknowledgement of what was sent, found none; it is kept",
                )
            if not self._more(progress):
                return self._settings["poll_interval_s"] * 1000

    def _more(self, progress):
        return progress and bool(self._gather()[0])

    def _gather(self):
        """([read, ...], bytes) of the oldest batches that fit one request."""
        reads = []
        length = 0
        most = self._settings["request_max_bytes"]
        for _, hash_32, read in self._journal.batches():
            if not self._sealer.may_send(hash_32):
                break
            size = len(read())
            if reads and length + size > most:
                break
            reads.append(read)
            length += size
        return reads, length

    async def _exchange(self, reads, length):
        """One request; on a new connection under the best time there is."""
        began_ms = self._clock.mono_ms()
        if self._connection.is_open:
            return await self._request(reads, length), began_ms
        await self._time_trust.prepare()
        began_ms = self._clock.mono_ms()
        try:
            await self._connection.open()
            return await self._request(reads, length), began_ms
        except UploadError as error:
            self._unverified(error)
            raise

    def _unverified(self, error):
        """A time that made the certificate invalid gives way to the next candidate."""
        if is_about_time(error.code):
            self._time_trust.refused()
        else:
            self._time_trust.failed()

    async def _request(self, reads, length):
        if reads:
            pieces = (read() for read in reads)
            body = await self._connection.request(
                "POST", "/v1/batches", length, pieces, answers.MOST_BYTES
            )
        else:
            path = "/v1/head?device=" + self._device_hex
            body = await self._connection.request("GET", path, 0, (), answers.MOST_BYTES)
        return answers.parse(body, self._device_hex)

    def _apply(self, answer, began_ms):
        """Apply an answer; True if the journal moved on."""
        now_ms = self._clock.mono_ms()
        half_ms = (now_ms - began_ms) // 2
        self._time_trust.confirmed(
            answer.time_unix_ms, half_ms + _SERVER_ERROR_MS, began_ms + half_ms
        )
        self.receipt = answer.receipt or self.receipt
        before = (self._journal.acknowledged, self._journal.waiting)
        for chain_16, number, hash_32 in answer.acks:
            self._acknowledge(chain_16, number, hash_32)
        again = self._resend(answer.resend)
        return again or before != (self._journal.acknowledged, self._journal.waiting)

    def _acknowledge(self, chain_16, number, hash_32):
        if chain_16 == self._sealer.chain_16 and number <= self._journal.acknowledged:
            return
        try:
            self._journal.acknowledge(chain_16, number, hash_32)
            log.info("uplink", "acknowledged", number=number, waiting=self._journal.waiting)
        except JournalAckError as error:
            raise UploadError(error.code, error.text)

    def _resend(self, entries):
        """Go back as the collector asks, but not twice to the same place without progress."""
        for chain_16, number in entries:
            if chain_16 != self._sealer.chain_16 or number == self._asked_again:
                continue
            self._asked_again = number
            log.info("uplink", "resend", number=number)
            self._journal.resend_from(number)
            return True
        return False


def pause_after(failures, settings, random_byte):
    """Milliseconds: doubles from `retry_min_s` to `retry_max_s`, less up to half at random."""
    longest_s = settings["retry_max_s"]
    pause_s = min(settings["retry_min_s"] << min(failures - 1, 16), longest_s)
    return pause_s * 1000 - pause_s * 500 * random_byte // 256
