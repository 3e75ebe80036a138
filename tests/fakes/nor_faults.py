"""What cut operations leave in NOR flash, and the random numbers for it.

The random numbers are the same on CPython and MicroPython, so that a failing cut can be repeated
on either by its seed.
"""


class Random:
    """xorshift32: small, the same everywhere, good enough to choose bits."""

    def __init__(self, seed):
        self._state = (seed * 2654435761 & 0xFFFFFFFF) or 1

    def word(self):
        """The next 32 bits."""
        x = self._state
        x ^= x << 13 & 0xFFFFFFFF
        x ^= x >> 17
        x ^= x << 5 & 0xFFFFFFFF
        self._state = x
        return x

    def below(self, limit):
        """A number from 0 to limit - 1."""
        return self.word() % limit

    def bytes(self, length):
        """`length` random bytes."""
        words = (self.word().to_bytes(4, "big") for _ in range((length + 3) // 4))
        return b"".join(words)[:length]


def torn_program(old, new, done, random):
    """`done` bytes are programmed; of the next one any of the bits that were to be cleared."""
    if done >= len(new):
        return new
    weak = old[done] & (new[done] | random.below(256))
    return new[:done] + bytes((weak,)) + old[done + 1 :]


def torn_erase(old, left, random):
    """Content after a cut erase: all as before, all erased in appearance, or some of each bit."""
    if left == "kept":
        return old
    if left == "blank":
        return b"\xff" * len(old)
    mask = int.from_bytes(random.bytes(len(old)), "big")
    return (int.from_bytes(old, "big") | mask).to_bytes(len(old), "big")
