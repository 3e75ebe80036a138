"""Write the signing table of agent/p256_table.py (68 KiB), from the curve's definition alone.

Usage: python3 firmware/tools/make_p256_table.py [--frozen MODULE.py]

Without an option it writes firmware/agent/p256_table.bin; with --frozen it writes a module with
the table as one bytes object `TABLE`, to be frozen as `agent.p256_table_frozen` (costs flash, no
RAM). It prints the SHA-256, which p256_source.py has built in. It must never import the agent: the
table is checked against it, not made by it.

Entry e (0..127) of block b (0..7) is x || y || tag, 32, 32 and 4 bytes, big-endian, of the point
m * G with m = 2^base * (2^56 + sum over t < 7 of (+1 if bit t of e is set else -1) * 2^(8*t)) and
base = 64*(b//2) + 4*(b%2). The tag (m + x + y) mod 4294967291 binds the point to its multiple.
Runs on CPython 3.8 or later.
"""

import hashlib
import os
import sys

P = 2**256 - 2**224 + 2**192 + 2**96 - 1  # SP 800-186, 3.2.1.3, as are the coordinates of G
G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)


def add(left, right):
    """Sum of two points (x, y) that are not each other's negative."""
    (x1, y1), (x2, y2) = left, right
    if left == right:
        slope = (3 * x1 * x1 - 3) * pow(2 * y1, -1, P)
    else:
        slope = (y2 - y1) * pow(x2 - x1, -1, P)
    x = (slope * slope - x1 - x2) % P
    return x, (slope * (x1 - x) - y1) % P


TAG_PRIME = 2**32 - 5


def block_multiples(base):
    """The 128 multiples of G in one block, in the order of the table."""
    multiples = [2**56]
    for t in range(6, -1, -1):
        multiples = [m + sign * 2 ** (8 * t) for m in multiples for sign in (-1, 1)]
    return [m << base for m in multiples]


def block_points(powers, base):
    """The 128 points of one block in the order of the table."""
    points = [powers[base + 56]]
    for t in range(6, -1, -1):  # each bit doubles the list: minus first, then plus
        x, y = powers[base + 8 * t]
        points = [add(point, (x, sign * y % P)) for point in points for sign in (-1, 1)]
    return points


def make_table():
    """The whole table as bytes."""
    powers = [G]
    while len(powers) < 256:
        powers.append(add(powers[-1], powers[-1]))
    table = b""
    for block in range(8):
        base = 64 * (block // 2) + 4 * (block % 2)
        for m, (x, y) in zip(block_multiples(base), block_points(powers, base)):
            tag = (m + x + y) % TAG_PRIME
            table += x.to_bytes(32, "big") + y.to_bytes(32, "big") + tag.to_bytes(4, "big")
    return table


def main(arguments):
    """Write the file or the module and print the hash."""
    table = make_table()
    if arguments[:1] == ["--frozen"] and len(arguments) == 2:
        path, content = arguments[1], b"TABLE = " + repr(table).encode() + b"\n"
    elif not arguments:
        here = os.path.dirname(os.path.abspath(__file__))
        path, content = os.path.join(here, "..", "agent", "p256_table.bin"), table
    else:
        print(__doc__.split("\n\n")[1], file=sys.stderr)
        return 2
    with open(path, "wb") as file:
        file.write(content)
    print(hashlib.sha256(table).hexdigest())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
