"""Readings and contexts in the journal: exact bytes, round trips, refusals."""

import binascii
import unittest

from agent.errors import ReadingError
from agent.reading import ALL_PRESENT, Context, Meter, Reading, pack, unpack, words_len

COLUMNS = ((4, 0x48, 2, 0), (4, 0x0C, 2, 0), (4, 0x00, 2, 0), (4, 0x06, 2, 0))
WORDS = bytes(range(16))
SDM120 = Meter(
    "eastron-sdm120", bytes(range(16)), 1, ((3, 0xFC00, b"\x01\x31\xf2\xa7"),), (), COLUMNS
)
EM340 = Meter(
    "carlo-gavazzi-em340",
    bytes(16),
    3,
    ((4, 0x5000, b"BA12345670"),),
    ((4, 0x1003, b"\x00\x0a\x00\x00"), (4, 0x1005, b"\x00\x01\x00\x00")),
    ((4, 0x34, 2, 1),),
)


def reading(**changes):
    fields = {
        "sequence": 300017,
        "boot": 40,
        "t_100ms": 123456789,
        "meter": 2,
        "status": 0,
        "flags": 0,
        "present": ALL_PRESENT,
        "words": WORDS,
    }
    fields.update(changes)
    return Reading(**fields)


class ReadingTest(unittest.TestCase):
    def test_exact_bytes(self):
        packed = pack(reading())
        self.assertEqual(binascii.hexlify(packed[:7]), b"0293f1075bcd15")
        self.assertEqual(packed[7:], WORDS)

    def test_four_floats_take_23_bytes(self):
        self.assertEqual(len(pack(reading())), 23)

    def test_quality_is_kept_only_if_it_says_something(self):
        packed = pack(reading(status=1, flags=4, present=0b0011))
        self.assertEqual(binascii.hexlify(packed[:13]), b"8293f1075bcd15010400000003")

    def test_round_trip(self):
        for case in (
            reading(),
            reading(meter=0, t_100ms=0, words=b""),
            reading(meter=31, t_100ms=0xFFFFFFFF),
            reading(status=130, flags=7, present=0b0110),
            reading(flags=1, present=0b1111),
            reading(status=4, present=0),
        ):
            with self.subTest(case=case):
                self.assertEqual(unpack(pack(case), case.boot, case.sequence - 1), case)

    def test_sequence_is_restored_above_the_last_one(self):
        for sequence, last in (
            (1, 0),
            (0, -1),
            (65535, 65534),
            (65536, 65535),
            (70000, 65537),
            (1 << 40, (1 << 40) - 65536),
            (300017, 300010),
        ):
            with self.subTest(sequence=sequence, last=last):
                packed = pack(reading(sequence=sequence))
                self.assertEqual(unpack(packed, 40, last).sequence, sequence)

    def test_out_of_range(self):
        for changes in (
            {"meter": 32},
            {"t_100ms": 1 << 32},
            {"t_100ms": -1},
            {"sequence": -1},
            {"status": 256},
            {"status": 1, "flags": 8},
            {"status": 1, "present": 1 << 32},
        ):
            with self.subTest(changes=changes):
                with self.assertRaises(ReadingError) as caught:
                    pack(reading(**changes))
                self.assertEqual(caught.exception.code, "reading-range")

    def test_too_short(self):
        for data in (b"", bytes(6), b"\x80" + bytes(11)):
            with self.assertRaises(ReadingError) as caught:
                unpack(data, 1, 0)
            self.assertEqual(caught.exception.code, "reading-malformed")

    def test_words_len(self):
        self.assertEqual(words_len(COLUMNS), 16)
        self.assertEqual(words_len(()), 0)


class ContextTest(unittest.TestCase):
    def test_round_trip(self):
        for meters in ((), (SDM120,), (SDM120, EM340)):
            packed = Context(40, meters).pack()
            again = Context.unpack(packed)
            self.assertEqual((again.boot, again.meters), (40, meters))
            self.assertEqual(again.pack(), packed)

    def test_exact_bytes(self):
        packed = Context(40, (EM340,)).pack()
        expected = (
            b"\x01\x00\x00\x00\x28\x01\x13carlo-gavazzi-em340" + bytes(16) + b"\x03"
            b"\x01\x04\x50\x00\x0aBA12345670"
            b"\x02\x04\x10\x03\x04\x00\x0a\x00\x00\x04\x10\x05\x04\x00\x01\x00\x00"
            b"\x01\x04\x00\x34\x02\x01"
        )
        self.assertEqual(packed, expected)

    def test_accepts_lists_and_buffers(self):
        self.assertEqual(Context.unpack(memoryview(Context(1, [SDM120]).pack())).meters, (SDM120,))

    def test_every_cut_is_refused(self):
        packed = Context(40, (SDM120, EM340)).pack()
        for length in range(len(packed)):
            with self.assertRaises(ReadingError) as caught:
                Context.unpack(packed[:length])
            self.assertEqual(caught.exception.code, "context-malformed")

    def test_more_bytes_are_refused(self):
        with self.assertRaises(ReadingError) as caught:
            Context.unpack(Context(40, (SDM120,)).pack() + b"\x00")
        self.assertEqual(caught.exception.code, "context-malformed")

    def test_another_version_is_refused(self):
        with self.assertRaises(ReadingError) as caught:
            Context.unpack(b"\x02" + Context(40, ()).pack()[1:])
        self.assertEqual(caught.exception.code, "context-version")

    def test_what_no_batch_could_hold_is_refused(self):
        def changed(**fields):
            values = dict(
                zip(("profile", "profile_hash", "unit", "identity", "setup", "columns"), SDM120)
            )
            values.update(fields)
            return Meter(**values)

        for meter in (
            changed(profile=""),
            changed(profile="x" * 65),
            changed(profile_hash=bytes(15)),
            changed(unit=256),
            changed(identity=((3, 0, b""),)),
            changed(columns=((4, 0, 5, 0),)),
            changed(columns=((4, 0, 0, 0),)),
            changed(columns=((4, 0, 1, 4),)),
            changed(columns=((4, 0, 1, 0),) * 33),
        ):
            with self.subTest(meter=meter):
                self.assertRaises(ReadingError, Context(1, (meter,)).pack)
        self.assertRaises(ReadingError, Context(1, (SDM120,) * 33).pack)
        self.assertRaises(ReadingError, Context(1 << 32, ()).pack)


if __name__ == "__main__":
    unittest.main()
