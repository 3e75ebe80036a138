"""Batch payloads: grouping, what is left out, and every refusal. Exact bytes: test_vectors."""

import gc
import sys
import unittest

from agent import batch, batch_keys
from agent.errors import BatchError
from agent.reading import ALL_PRESENT, Context, Meter, Reading
from agent.sealer_edges import edge_words
from support import minicbor

ENERGY = (4, 0x48, 2, 0)
POWER = (4, 0x0C, 2, 0)
VOLTAGE = (4, 0x00, 2, 1)


def meter(name="sdm", unit=1, columns=(ENERGY, POWER), serial=b"\x00\x01\x02\x03"):
    return Meter(name, bytes(16), unit, ((3, 0xFC00, serial),), (), columns)


def reading(sequence, index=0, boot=40, words=None, present=ALL_PRESENT, status=0, flags=0, t=0):
    words = sequence.to_bytes(4, "big") + b"\x00\x00\x00\x07" if words is None else words
    return Reading(sequence, boot, t or 600 * sequence, index, status, flags, present, words)


def fields(**changes):
    values = {
        batch_keys.CHAIN: bytes(16),
        batch_keys.NUMBER: 5000,
        batch_keys.PREVIOUS: bytes(32),
        batch_keys.BOOT: 40,
        batch_keys.SEALED_MONO_MS: 1,
        batch_keys.FIRST_SEQUENCE: 77,
        batch_keys.FIRMWARE: "0.1.0",
        batch_keys.CONFIG_HASH: bytes(16),
        batch_keys.KEY_CLASS: 0,
        batch_keys.HEALTH: {},
    }
    for name in changes:
        key = getattr(batch_keys, name)
        values[key] = changes[name]
        if values[key] is None:
            del values[key]
    return values


def payload(contexts, rows, **changes):
    return minicbor.decode(batch.encode_payload(fields(**changes), contexts, rows))


class FieldsTest(unittest.TestCase):
    def test_no_reading(self):
        found = payload([], [])
        self.assertEqual(sorted(found), [0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 16])
        self.assertEqual((found[0], found[6], found[7]), (1, 77, 0))
        self.assertEqual((found[12], found[13], found[16]), ([], [], {}))

    def test_empty_lists_are_left_out(self):
        found = payload([], [], ANCHORS=[], EVENTS=[], LOST=[])
        self.assertFalse({8, 14, 15} & set(found))
        found = payload([], [], ANCHORS=[(1, 2, 3, 4, 5)], EVENTS=[(1, 1, 1, (1, 0))])
        self.assertEqual((found[8], found[14]), ([[1, 2, 3, 4, 5]], [[1, 1, 1, [1, 0]]]))

    def test_first_sequence_comes_from_the_readings(self):
        found = payload([Context(40, (meter(),))], [(0, reading(300)), (0, reading(301))])
        self.assertEqual((found[6], found[7]), (300, 2))

    def test_genesis_and_previous(self):
        found = payload([], [], NUMBER=1, PREVIOUS=None, GENESIS={0: 0, 1: bytes(32)})
        self.assertEqual(found[17], {0: 0, 1: bytes(32)})
        self.assertNotIn(3, found)

    def test_later_keys_pass_through(self):
        values = fields()
        values[19] = b"receipt"
        values[64] = [1, "x"]
        found = minicbor.decode(batch.encode_payload(values, [], []))
        self.assertEqual((found[19], found[64]), (b"receipt", [1, "x"]))


class GroupsTest(unittest.TestCase):
    def test_two_meters_take_turns(self):
        context = Context(40, (meter(unit=1), meter(unit=2)))
        rows = [(0, reading(i, index=i % 2)) for i in range(100, 106)]
        found = payload([context], rows)
        self.assertEqual([g[:3] for g in found[13]], [[0, 40, 3], [1, 40, 3]])
        self.assertEqual([g[3] for g in found[13]], [[100, 2, 0, b""], [101, 2, 0, b""]])

    def test_groups_are_ordered_by_boot_then_meter(self):
        contexts = [
            Context(38, (meter(unit=2),)),
            Context(40, (meter(unit=1), meter(unit=2))),
        ]
        rows = [
            (0, reading(10, boot=38)),
            (1, reading(11, index=1)),
            (1, reading(12, index=0)),
        ]
        found = payload(contexts, rows)
        self.assertEqual([m[2] for m in found[12]], [2, 1])
        self.assertEqual([g[:2] for g in found[13]], [[0, 38], [0, 40], [1, 40]])

    def test_equal_epochs_of_two_contexts_share_a_group(self):
        contexts = [Context(40, (meter(),)), Context(40, (meter(serial=b"\xff" * 4), meter()))]
        rows = [(0, reading(1)), (1, reading(2, index=1)), (1, reading(3, index=0))]
        found = payload(contexts, rows)
        self.assertEqual(len(found[12]), 2)
        self.assertEqual([g[:3] for g in found[13]], [[0, 40, 2], [1, 40, 1]])

    def test_union_of_layouts_marks_absent(self):
        contexts = [
            Context(40, (meter(columns=(ENERGY,)),)),
            Context(40, (meter(columns=(VOLTAGE, ENERGY)),)),
        ]
        rows = [
            (0, reading(1, words=b"\x00\x00\x00\x09")),
            (1, reading(2, words=b"\x00\x01\x00\x02\x00\x00\x00\x0a")),
        ]
        columns = payload(contexts, rows)[13][0][6]
        self.assertEqual(columns[0], [4, 0, 2, 1, 0x00020001, 0, 0, b"", [], [0]])
        self.assertEqual(columns[1], [4, 0x48, 2, 0, 9, 1, 0, b""])

    def test_absent_is_not_zero(self):
        rows = [(0, reading(1)), (0, reading(2, present=0b10, status=1, flags=4)), (0, reading(3))]
        group = payload([Context(40, (meter(),))], rows)[13][0]
        self.assertEqual(group[5], [[1, 1, 4]])
        self.assertEqual(len(group[6][0]), 8)  # power: all there
        self.assertEqual(group[6][1][4:], [1, 2, 0, b"", [], [1]])

    def test_a_column_without_any_value_is_left_out(self):
        rows = [(0, reading(i, present=0b01, status=130, flags=4)) for i in (1, 2)]
        group = payload([Context(40, (meter(),))], rows)[13][0]
        self.assertEqual([c[1] for c in group[6]], [0x48])

    def test_nothing_obtained(self):
        rows = [(0, reading(i, present=0, status=1)) for i in (1, 2)]
        group = payload([Context(40, (meter(),))], rows)[13][0]
        self.assertEqual((group[5], group[6]), ([[0, 1, 0], [1, 1, 0]], []))

    def test_meter_without_readings_is_named(self):
        found = payload([Context(40, (meter(unit=1), meter(unit=2)))], [(0, reading(1))])
        self.assertEqual([m[2] for m in found[12]], [1, 2])

    def test_edge_words(self):
        one = reading(1, words=b"\x00\x00\x00\x09\x00\x01\x00\x02", present=0b10)
        self.assertIsNone(edge_words((ENERGY, VOLTAGE), one, 4, 0x48))
        self.assertEqual(edge_words((ENERGY, VOLTAGE), one, 4, 0x00), b"\x00\x01\x00\x02")
        self.assertIsNone(edge_words((ENERGY, VOLTAGE), one, 3, 0x00))


class RefusalTest(unittest.TestCase):
    def refused(self, code, contexts, rows, **changes):
        with self.assertRaises(BatchError) as caught:
            batch.encode_payload(fields(**changes), contexts, rows)
        self.assertEqual(caught.exception.code, code)

    def test_chain(self):
        self.refused("batch-chain", [], [], PREVIOUS=None)
        self.refused("batch-chain", [], [], GENESIS={0: 1})
        self.refused("batch-chain", [], [], NUMBER=1)
        self.refused("batch-chain", [], [], NUMBER=0)
        self.refused("batch-chain", [], [], NUMBER=1, GENESIS={0: 1})

    def test_missing_field(self):
        self.refused("batch-field", [], [], HEALTH=None)

    def test_readings(self):
        contexts = [Context(40, (meter(),))]
        self.refused("batch-sequence", contexts, [(0, reading(1)), (0, reading(3))])
        self.refused("batch-sequence", contexts, [(0, reading(2)), (0, reading(1))])
        self.refused("batch-sequence", contexts, [(0, reading(1)), (0, reading(1))])
        self.refused("batch-meter", contexts, [(0, reading(1, index=1))])
        self.refused("batch-words", contexts, [(0, reading(1, words=bytes(7)))])
        self.refused("batch-count", contexts, [(0, reading(i)) for i in range(1025)])

    def test_meters(self):
        contexts = [Context(b, tuple(meter(unit=11 * b + i) for i in range(11))) for b in range(3)]
        self.refused("batch-meters", contexts, [])

    def test_size(self):
        events = [(9, 1, 1, ("x" * 60, "y" * 60))] * 520
        self.refused("batch-too-large", [], [], EVENTS=events)


def total_allocated(function):
    """Bytes that `function` allocates in all, as nothing is collected meanwhile."""
    gc.collect()
    gc.disable()
    before = gc.mem_alloc()
    function()
    allocated = gc.mem_alloc() - before
    gc.enable()
    return allocated


@unittest.skipIf(sys.implementation.name != "micropython", "counts MicroPython's heap")
class HeapTest(unittest.TestCase):
    def test_an_hour_of_four_columns(self):
        columns = ((4, 0, 2, 0), (4, 2, 2, 0), (4, 4, 2, 0), (4, 6, 2, 0))
        contexts = [Context(40, (meter(columns=columns),))]
        rows = [
            (0, reading(300000 + i, words=bytes((i * k * 37) & 0xFF for k in range(16))))
            for i in range(60)
        ]
        values = fields()
        used = total_allocated(lambda: batch.encode_payload(values, contexts, rows))
        # garbage included: 64 bits have objects of twice the size, 32 bits more large integers
        self.assertLess(used, (96 if sys.maxsize > 1 << 32 else 144) * 1024)


if __name__ == "__main__":
    unittest.main()
