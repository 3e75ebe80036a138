"""The signing table: hash, layout, sources, and that a damaged one never signs wrongly."""

import random
import sys
import unittest
from hashlib import sha256

from agent import p256, p256_source, p256_table
from agent.errors import SignerError
from agent.p256_field import N, P

PATH = p256_table.__file__.rsplit("/", 1)[0] + "/p256_table.bin"
KEY = b"\x31" * 32
DIGEST = sha256(b"reading").digest()


ENTRY, BLOCK = 68, 8704  # bytes


def swap(table, at, other, length):
    """Exchange two runs of bytes."""
    kept = bytes(table[at : at + length])
    table[at : at + length] = table[other : other + length]
    table[other : other + length] = kept


def read_table():
    with open(PATH, "rb") as file:
        return bytearray(file.read())


class RecordingReader:
    """A reader that keeps the offsets that were asked for."""

    def __init__(self, table):
        self.table = table
        self.offsets = []

    def __call__(self, offset, length):
        self.offsets.append(offset)
        return bytes(self.table[offset : offset + length])


class BrokenFile:
    """A file on a flash that has failed."""

    def seek(self, offset):
        return offset

    def read(self, length):
        raise OSError(5)


class TableCase(unittest.TestCase):
    def setUp(self):
        self.addCleanup(p256.use_table, None)
        p256.use_table(None)
        self.table = read_table()

    def refused(self, function, *args):
        with self.assertRaises(SignerError) as caught:
            function(*args)
        self.assertEqual(caught.exception.code, "signer-table")


class SourceTest(TableCase):
    def test_file_bytes_and_reader_sign_alike(self):
        expected = p256.sign_digest(KEY, DIGEST)  # the file beside the module
        sources = [bytes(self.table), self.table, memoryview(self.table)]
        for source in sources + [RecordingReader(self.table)]:
            p256.use_table(source)
            p256.check_table()
            self.assertEqual(p256.sign_digest(KEY, DIGEST), expected)

    def test_reads_of_one_signature(self):
        reader = RecordingReader(self.table)
        p256.use_table(reader)
        p256.sign_digest(KEY, DIGEST)
        self.assertEqual(len(reader.offsets), 32)
        per_block = [0] * 8
        for offset in reader.offsets:
            self.assertEqual(offset % ENTRY, 0)
            per_block[offset // BLOCK] += 1
        self.assertEqual(per_block, [4] * 8)

    def test_a_file_that_cannot_be_read_is_refused(self):
        p256.use_table(p256_source.file_reader(BrokenFile()))
        self.refused(p256.check_table)
        self.refused(p256.sign_digest, KEY, DIGEST)


class LayoutTest(TableCase):
    def test_columns_give_the_scalar_back(self):
        random.seed(3)
        scalars = [1, 3, N - 2, N - 4, (1 << 255) + 1, (1 << 256) - 1]
        value = 5
        for _ in range(30):
            value = value * value % P * 3 % P
            scalars.append(value | 1)
        for scalar in scalars:
            columns = p256_table.comb_columns(scalar)
            total = 0
            for block in range(8):
                for column in range(4):
                    first = 64 * (block // 2) + 4 * (block % 2) + column
                    for t in range(8):
                        plus = columns[4 * block + column] >> t & 1
                        total += (1 if plus else -1) << (first + 8 * t)
            self.assertEqual(total, scalar)

    def test_no_two_points_of_neighbouring_blocks_share_x(self):
        # pair_sums relies on it
        for block in range(0, 8, 2):
            start = block * BLOCK
            xs = [bytes(self.table[o : o + 32]) for o in range(start, start + 2 * BLOCK, ENTRY)]
            self.assertEqual(len(set(xs)), 256)


class HashTest(TableCase):
    def test_the_shipped_table(self):
        p256.check_table()
        self.assertEqual(len(self.table), p256_source.TABLE_LEN)

    def test_any_other_table_is_refused(self):
        random.seed(4)
        for _ in range(20):
            at = random.getrandbits(16)
            self.table[at] ^= 1 << random.getrandbits(3)
            p256.use_table(bytes(self.table))
            self.refused(p256.check_table)
            self.table = read_table()

    def test_another_length_is_refused(self):
        table = bytes(self.table)
        for other in (b"", table[:-1], table[:-1024], table + b"\x00", table + table):
            p256.use_table(other)
            self.refused(p256.check_table)

    def test_entries_that_changed_places_are_refused(self):
        # each is a point of the curve, so that only the hash can tell
        swap(self.table, 0, ENTRY, ENTRY)
        p256.use_table(self.table)
        self.refused(p256.check_table)


class DamageTest(TableCase):
    def setUp(self):
        super().setUp()
        reader = RecordingReader(self.table)
        p256.use_table(reader)
        self.good = p256.sign_digest(KEY, DIGEST)
        self.used = reader.offsets
        p256.use_table(self.table)  # a bytearray, so that a flip below is seen at once

    def flip(self, at, bit):
        self.table[at] ^= 1 << bit

    def test_a_flip_in_a_used_entry_never_signs(self):
        random.seed(5)
        for entry in self.used:
            for first, bits in ((0, 5), (32, 5), (64, 2)):
                at, bit = entry + first + random.getrandbits(bits), random.getrandbits(3)
                self.flip(at, bit)
                self.refused(p256.sign_digest, KEY, DIGEST)
                self.flip(at, bit)
        self.assertEqual(p256.sign_digest(KEY, DIGEST), self.good)

    def test_an_entry_of_another_place_never_signs(self):
        """Every point of the table is on the curve: only the tags tell that this is not k * G.

        Such a signature and a good one of the same digest would give the key away.
        """
        random.seed(7)
        entries = list(range(0, p256_source.TABLE_LEN, ENTRY))
        for at in self.used:
            for length in (64, ENTRY):  # the point alone, or its tag too
                other = entries[random.getrandbits(10)]
                if other == at:
                    continue
                swap(self.table, at, other, length)
                self.refused(p256.sign_digest, KEY, DIGEST)
                swap(self.table, at, other, length)
        self.assertEqual(p256.sign_digest(KEY, DIGEST), self.good)

    def test_used_entries_that_changed_places_never_sign_wrongly(self):
        refused = 0
        for number, at in enumerate(self.used):
            for other in self.used[:number]:
                if at == other:
                    continue
                swap(self.table, at, other, 64)
                try:
                    self.assertEqual(p256.sign_digest(KEY, DIGEST), self.good)
                except SignerError:
                    refused += 1  # the others add up to the same sum
                swap(self.table, at, other, 64)
        self.assertGreater(refused, 300)

    def test_a_digit_that_changed_on_the_way_never_signs(self):
        real = p256.comb_columns
        self.addCleanup(setattr, p256, "comb_columns", real)
        for at in range(32):
            for bit in range(8):

                def faulty(scalar, at=at, bit=bit):
                    columns = bytearray(real(scalar))
                    columns[at] ^= 1 << bit
                    return columns

                p256.comb_columns = faulty
                self.refused(p256.sign_digest, KEY, DIGEST)

    def test_a_flip_elsewhere_changes_nothing(self):
        random.seed(6)
        signed = 0
        for _ in range(100):
            at, bit = random.getrandbits(16), random.getrandbits(3)
            self.flip(at, bit)
            if at - at % ENTRY in self.used:
                self.refused(p256.sign_digest, KEY, DIGEST)
            else:
                self.assertEqual(p256.sign_digest(KEY, DIGEST), self.good)
                signed += 1
            self.flip(at, bit)
        self.assertGreater(signed, 50)

    def test_a_table_of_one_value_never_signs(self):
        for value in (0x00, 0xFF, 0x55):
            p256.use_table(bytes([value]) * p256_source.TABLE_LEN)
            self.refused(p256.sign_digest, KEY, DIGEST)
            self.refused(p256.public_key, KEY)

    def test_a_reader_that_gives_too_little_never_signs(self):
        for length in (0, 1, 32, 63, 64, 67):
            p256.use_table(lambda offset, _, n=length: bytes(self.table[offset : offset + n]))
            self.refused(p256.sign_digest, KEY, DIGEST)

    def test_a_missing_file_is_refused(self):
        sys.modules["agent.p256_source"] = p256_source  # a station forgets it when it has started
        path = p256_source.__file__
        self.addCleanup(setattr, p256_source, "__file__", path)
        p256_source.__file__ = path.rsplit("/", 1)[0] + "/none/p256_source.py"
        p256.use_table(None)
        self.refused(p256.check_table)
        self.refused(p256.sign_digest, KEY, DIGEST)


if __name__ == "__main__":
    unittest.main()
