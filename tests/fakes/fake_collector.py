"""A collector and the connection to it in one: keeps what it is sent, forgets, lies and dies.

Has the interface of agent.uplink.http.Connection.
"""

import binascii

from support import minicbor
from support.sealing_station import NOON_MS, batch_hash


class Collector:
    """The other end and the connection to it in one; keeps what it is sent.

    `failures`: exceptions to raise, one for each request, before it answers again.
    """

    def __init__(self, clock, kid_8):
        self.clock = clock
        self.device = binascii.hexlify(kid_8).decode()
        self.chains = {}  # chain -> {number: batch}
        self.stated = {}  # chain -> numbers that the device says are lost
        self.requests = []  # numbers in each request; None for a GET
        self.failures = []
        self.is_open = False
        self.opened = 0
        self.sent_ms = 0
        self.heard_from_ms = None
        self.on_its_way = []  # by way of a broker: answers that come before that to a request
        self.check_in = None
        self.time_unix_ms = NOON_MS
        self.resend = None
        self.receipt = b""
        self.lie = {}  # what to change in the acknowledgement
        self.answers = True

    async def open(self):
        self.opened += 1
        self.is_open = True

    def by_broker(self):
        """From now on, as a broker has it: the answer read is the first that comes."""
        self.heard_from_ms = self.clock.mono_ms()

    async def close(self):
        self.is_open = False
        self.on_its_way = []

    async def request(self, method, path, length, pieces, most):
        if self.failures:
            self.is_open = False
            raise self.failures.pop(0)
        batches = [bytes(piece) for piece in pieces]
        if sum([len(batch) for batch in batches]) != length:
            raise AssertionError("Content-Length")
        self.sent_ms = self.clock.mono_ms()
        self.requests.append([self.keep(batch) for batch in batches] if batches else None)
        self.on_its_way.append(self.answer().encode())
        return self.on_its_way.pop(0)

    def keep(self, batch):
        payload = minicbor.decode(minicbor.decode(batch).value[2])
        self.chains.setdefault(payload[1], {})[payload[2]] = batch
        stated = self.stated.setdefault(payload[1], set())
        for first, last in [lost[1:3] for lost in payload.get(15, ()) if lost[0] == 0]:
            stated.update(range(first, last + 1))
        return payload[2]

    def held_up_to(self, chain):
        """Number of the last batch before which nothing is missing; 0 for none."""
        kept, stated = self.chains[chain], self.stated.get(chain, ())
        number = last = 0
        while number + 1 in kept or number + 1 in stated:
            number += 1
            if number in kept:
                last = number
        return last

    def forget_after(self, number):
        """Restored from an old backup."""
        for kept in self.chains.values():
            for n in list(kept):
                if n > number:
                    del kept[n]

    def answer(self):
        acks = []
        for chain in self.chains if self.answers else ():
            kept = self.chains[chain]
            number = self.held_up_to(chain)
            ack = {"device": self.device, "chain": chain, "number": number}
            ack["hash"] = batch_hash(kept[number]) if number else bytes(32)
            ack.update(self.lie)
            acks.append(
                '{"device": "%s", "chain": "%s", "number": %d, "hash": "%s"}'
                % (ack["device"], _hex(ack["chain"]), ack["number"], _hex(ack["hash"]))
            )
        resend = ""
        if self.resend:
            entry = (self.device, _hex(self.resend[0]), self.resend[1])
            resend = '"resend": [{"device": "%s", "chain": "%s", "number": %d}], ' % entry
        receipt = '"receipt": "%s", ' % _hex(self.receipt) if self.receipt else ""
        body = '{"acks": [%s], %s"time_unix_ms": %d}'
        return body % (", ".join(acks), resend + receipt, self.time_unix_ms)


def _hex(data):
    return binascii.hexlify(data).decode()
