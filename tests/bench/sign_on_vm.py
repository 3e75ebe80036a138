"""Runs on the MicroPython VM for bench_sign.py: times of P-256 calls in units of one `a * b % p`.

Each call is timed between two runs of multiplications, so that both see the same clock and the
same load, and the median of the ratios is printed. Garbage collection is left alone: both sides
pay for what they allocate.
"""

import sys
import time

from agent import p256
from agent.p256_field import P
from agent.p256_source import file_reader

ROUNDS = 300
A = 0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721
B = 0x60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6
KEY = bytes(range(1, 33))


def multiply(turns, a, b, p):
    """Ten modular multiplications a turn, so that the loop itself hardly counts."""
    for _ in range(turns):
        a * b % p
        a * b % p
        a * b % p
        a * b % p
        a * b % p
        a * b % p
        a * b % p
        a * b % p
        a * b % p
        a * b % p


def mulmods_of(call, digest, turns):
    """Time of one call divided by the time of one multiplication, measured before and after it."""
    t0 = time.ticks_us()
    multiply(turns, A, B, P)
    t1 = time.ticks_us()
    call(digest)
    t2 = time.ticks_us()
    multiply(turns, A, B, P)
    t3 = time.ticks_us()
    around_us = time.ticks_diff(t1, t0) + time.ticks_diff(t3, t2)
    return time.ticks_diff(t2, t1) * 20 * turns / around_us


def median(values):
    return sorted(values)[len(values) // 2]


def measure(file):
    """Medians of the three figures, the table read from `file` into memory and by seek."""
    table = file.read()
    public = p256.public_key(KEY)
    signature = p256.sign_digest(KEY, bytes(32))
    in_memory, in_file, verify = [], [], []
    for i in range(ROUNDS):
        digest = bytes([i & 255]) * 32
        p256.use_table(table)
        in_memory.append(mulmods_of(lambda d: p256.sign_digest(KEY, d), digest, 25))
        p256.use_table(file_reader(file))
        in_file.append(mulmods_of(lambda d: p256.sign_digest(KEY, d), digest, 25))
        if i % 10 == 0:
            check = mulmods_of(lambda d: p256.verify_digest(public, d, signature), bytes(32), 250)
            verify.append(check)
    return median(in_memory), median(in_file), median(verify)


def main(table_path):
    """Print `name value` for each figure."""
    with open(table_path, "rb") as file:
        signing, signing_from_file, verifying = measure(file)
    print("sign_mulmods", signing)
    print("sign_mulmods_file_table", signing_from_file)
    print("verify_mulmods", verifying)


main(sys.argv[1])
