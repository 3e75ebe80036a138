"""Short hands for journal tests: mount, fill, seal, list. Runs on both interpreters."""

import hashlib

from agent.journal import READING, Journal

CHAIN = b"0123456789abcdef"


def mounted(flash, policy="drop_oldest"):
    """A journal after a start on this flash."""
    journal = Journal(flash, {"policy": policy})
    journal.mount()
    return journal


def content(number, length=900):
    """Bytes and hash of a batch."""
    data = (hashlib.sha256(b"%d" % number).digest() * (length // 32 + 1))[:length]
    return data, hashlib.sha256(data).digest()


def append(journal, count, context=b"context"):
    """Append readings 0 to count - 1."""
    journal.set_context(context)
    for i in range(count):
        journal.append(READING, b"reading %d" % i)


def seal(journal, number, last_sequence=0, length=900, chain=CHAIN, **more):
    """Seal everything unsealed; the hash. Does not state what is lost."""
    data, batch_hash = content(number, length)
    for _ in journal.unsealed():
        pass
    journal.seal(number, chain, batch_hash, data, journal.mark(), last_sequence, **more)
    return batch_hash


def held(journal, *arguments):
    """Numbers of the batches offered; their bytes are checked."""
    numbers = []
    for number, batch_hash, read in journal.batches(*arguments):
        if hashlib.sha256(read()).digest() != batch_hash:
            raise AssertionError(f"batch {number} has other bytes")
        numbers.append(number)
    return numbers


def readings(journal):
    """Payloads of the unsealed readings."""
    return [bytes(payload) for kind, payload in journal.unsealed() if kind == READING]
