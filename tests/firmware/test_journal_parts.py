"""The journal's pure parts: CRC, record framing, the list of lost ranges, the packed state."""

import unittest

from agent.journal_crc import crc16
from agent.journal_elide import checksum, cuts, places, restore, stored
from agent.journal_flash import SECTOR, Flash
from agent.journal_lost import LIMIT, REASON_FULL, REASON_UNREADABLE, Lost, LostList
from agent.journal_record import (
    BATCH,
    CONTEXT,
    DATA,
    EVENT,
    HEADER,
    READING,
    SectorReader,
    binding,
    data_header,
    encode,
    encoded_len,
)
from agent.journal_state import BATCH_LEN, Batch, State, pack_batch, unpack_batch
from fakes.nor_faults import Random
from fakes.nor_flash import NorFlash


def lost(first, last, reason=REASON_FULL):
    return Lost(first, last, reason, bytes((last % 256,)) * 32, 10 * first, 10 * last + 9)


class CrcTest(unittest.TestCase):
    def test_catalogue_values(self):
        # CRC-16/XMODEM and CRC-16/IBM-3740 of the CRC catalogue: initial values 0 and 0xFFFF.
        self.assertEqual(crc16(b"123456789", 0), 0x31C3)
        self.assertEqual(crc16(b"123456789", 0xFFFF), 0x29B1)

    def test_the_interpreters_own_is_the_same_function(self):
        try:
            from binascii import crc_hqx
        except ImportError:
            raise unittest.SkipTest("this interpreter has no CRC-16 of its own")
        random = Random(1)
        for length in (0, 1, 2, 23, 300):
            data = random.bytes(length)
            self.assertEqual(crc16(data, length), crc_hqx(data, length))

    def test_every_flip_of_up_to_two_bits_is_found(self):
        data = bytearray(Random(2).bytes(29))
        good = crc16(data, 7)
        for first in range(0, 29 * 8, 3):
            data[first // 8] ^= 1 << first % 8
            self.assertTrue(crc16(data, 7) != good)
            for second in range(first + 1, 29 * 8, 11):
                data[second // 8] ^= 1 << second % 8
                self.assertTrue(crc16(data, 7) != good)
                data[second // 8] ^= 1 << second % 8
            data[first // 8] ^= 1 << first % 8


class RecordTest(unittest.TestCase):
    def setUp(self):
        self.device = NorFlash(16)
        self.flash = Flash(self.device)

    def write(self, *frames):
        """Program frames one behind the other; they get the address where they stand."""
        offset = HEADER
        for kind, payload in frames:
            frame = encode(kind, payload, 3 * SECTOR + offset)
            self.assertEqual(len(frame), encoded_len(kind, len(payload)))
            self.flash.program(5, offset, frame)
            offset += len(frame)
        return offset

    def found(self, epoch=3):
        return [bytes(p) for _, _, p, _ in SectorReader(self.flash, 5, epoch).walk()]

    def test_lengths_around_the_long_form(self):
        payloads = [bytes((n % 255,)) * n for n in (0, 1, 255, 256, 300, 1000)]
        self.write(*[(EVENT, p) for p in payloads])
        self.assertEqual(self.found(), payloads)

    def test_a_record_is_valid_only_where_it_stands(self):
        self.write((READING, b"reading"))
        self.assertEqual(self.found(epoch=19), [])
        frame = encode(READING, b"reading", 3 * SECTOR + HEADER)
        self.flash.program(5, 500, frame)
        self.assertEqual(SectorReader(self.flash, 5, 3).load(500), None)

    def test_a_reading_is_valid_only_behind_its_context(self):
        context = encode(CONTEXT, b"mine", 3 * SECTOR + HEADER)
        at = HEADER + len(context)
        mine = encode(READING, b"reading", 3 * SECTOR + at, binding(b"mine"))
        self.flash.program(5, HEADER, context)
        self.flash.program(5, at, mine)
        self.assertEqual(self.found(), [b"mine", b"reading"])
        self.device.flip(5, HEADER + 3, 2)
        self.assertEqual(self.found(), [])
        reader = SectorReader(self.flash, 5, 3, binding(b"mine"))  # as the sector's header says
        self.assertEqual([bytes(p) for _, _, p, _ in reader.walk()], [b"reading"])

    def test_a_cut_before_the_checksum_is_never_a_whole_record(self):
        # Its CRC-16 is 0xFFFF: what flash reads where nothing was programmed yet.
        payload = bytes((0, 0, 0x7D, 0x24)) + b"measured\xff\xff"
        frame = encode(READING, payload, 3 * SECTOR + HEADER)
        self.flash.program(5, HEADER, frame[:-4])
        self.assertEqual(self.found(), [])
        self.flash.program(5, HEADER, frame)
        self.assertEqual(self.found(), [payload])

    def test_a_record_inside_a_payload_is_not_a_record(self):
        inner = encode(READING, b"inner", 3 * SECTOR + HEADER + 2)
        self.write((EVENT, inner))
        self.device.flip(5, HEADER, 0)
        self.assertEqual(self.found(), [])

    def test_damage_and_padding_are_skipped(self):
        end = self.write((READING, b"one"), (READING, b"two"), (READING, b"three"))
        self.flash.program(5, end, bytes(9))
        late = encode(EVENT, b"late", 3 * SECTOR + end + 9)
        self.flash.program(5, end + 9, late)
        self.device.flip(5, HEADER + encoded_len(READING, 3) + 1, 4)  # the length of "two"
        reports = []
        reader = SectorReader(self.flash, 5, 3)
        walked = reader.walk(HEADER, lambda start, stop: reports.append(stop - start))
        self.assertEqual([bytes(p) for _, _, p, _ in walked], [b"one", b"three", b"late"])
        self.assertEqual(reports, [encoded_len(READING, 3)])

    def test_a_length_that_leaves_the_sector(self):
        self.flash.program(5, HEADER, bytes((EVENT | 0x80, 0xFF, 0xF0, 1, 2, 3)))
        self.flash.program(5, SECTOR - 2, bytes((READING, 9)))
        self.assertEqual(self.found(), [])

    def test_no_flip_of_a_data_length_goes_unseen(self):
        for length in range(0, SECTOR, 13):
            header = data_header(length)
            for bit in range(32):
                damaged = bytearray(header)
                damaged[bit // 8] ^= 1 << bit % 8
                self.device.image[5 * SECTOR : 5 * SECTOR + 4] = damaged
                record = SectorReader(self.flash, 5, 3).load(0)
                self.assertTrue(record is None or record[0] != DATA)


class ElideTest(unittest.TestCase):
    CHAIN = bytes(range(16))
    HASH = bytes(range(100, 132))

    def check(self, data, left_out):
        at = places(data, self.CHAIN, self.HASH)
        left = cuts(*at, self.CHAIN, self.HASH)
        pieces = [bytes(piece) for piece in stored(data, left)]
        self.assertEqual(len(data) - len(pieces[0]) - len(pieces[1]), left_out)
        buffer = bytearray(left_out) + pieces[0] + pieces[1]
        restore(buffer, left)
        self.assertEqual(bytes(buffer), data)

    def test_what_is_left_out_comes_back(self):
        body = Random(4).bytes(600)
        self.check(body, 0)
        self.check(b"head" + self.CHAIN + b"\x02\x05" + self.HASH + body, 48)
        self.check(self.CHAIN + self.HASH, 48)
        self.check(self.HASH + self.CHAIN + body, 48)
        self.check(body[:222] + self.HASH, 32)
        self.check(body[:223] + self.HASH + body, 0)  # too far from the beginning
        self.check(b"x" + self.CHAIN + body, 16)

    def test_strings_that_overlap(self):
        chain, before = b"abcdefgh" * 2, b"abcdefgh" * 4
        data = b"12" + before + b"34"
        chain_at, hash_at = places(data, chain, before)
        self.assertEqual((chain_at, hash_at), (3, 0))

    def test_the_checksum_covers_what_was_left_out(self):
        data = b"head" + self.CHAIN + b"between" + self.HASH + b"rest"
        at = places(data, self.CHAIN, self.HASH)
        sums = {
            checksum(1, cuts(*at, chain, before))
            for chain in (self.CHAIN, bytes(16), b"")
            for before in (self.HASH, bytes(32), b"")
        }
        self.assertEqual(len(sums), 9)


class LostListTest(unittest.TestCase):
    def test_ranges_that_touch_become_one(self):
        entries = LostList()
        for first, last in ((1, 3), (4, 4), (5, 9)):
            entries.add(lost(first, last))
        self.assertEqual(entries.ranges(), [lost(1, 9)])

    def test_reasons_stay_apart_and_what_is_covered_goes(self):
        entries = LostList()
        entries.add(lost(5, 5, REASON_UNREADABLE))
        entries.add(lost(1, 4))
        self.assertEqual([x.reason for x in entries.ranges()], [REASON_FULL, REASON_UNREADABLE])
        entries.add(lost(5, 8))
        self.assertEqual(entries.ranges(), [lost(1, 8)])
        self.assertTrue(entries.covers(5, 5))
        self.assertFalse(entries.covers(8, 9))

    def test_the_list_is_bounded_and_loses_nothing(self):
        entries = LostList()
        for n in range(60):
            entries.add(lost(10 * n, 10 * n + 1))
            self.assertTrue(len(entries.ranges()) <= LIMIT)
            for k in range(n + 1):
                self.assertTrue(entries.covers(10 * k, 10 * k + 1))

    def test_stated_means_read_before_the_batch_was_sealed(self):
        entries = LostList()
        entries.add(lost(1, 2))
        entries.sealed(7)  # nobody read it
        entries.acknowledged(7)
        self.assertEqual(entries.ranges(), [lost(1, 2)])
        entries.add(lost(3, 4))  # it grows behind the reader's back
        entries.sealed(8)
        entries.acknowledged(8)
        self.assertEqual(entries.ranges(), [lost(1, 4)])
        entries.sealed(9)
        entries.acknowledged(8)
        self.assertEqual(len(entries.ranges()), 1)
        entries.acknowledged(9)
        self.assertEqual(entries.ranges(), [])


class StateTest(unittest.TestCase):
    def test_round_trip_with_everything(self):
        state = State()
        state.generation, state.number, state.chain = 3, 4000000000, b"c" * 16
        state.hash, state.end_sequence, state.mark = b"h" * 32, 4000000001, 70000 * SECTOR + 99
        state.overwrote = True
        state.acknowledged(3, 17, 66000 * SECTOR + 4000, 170)
        for n in range(LIMIT):
            state.lost.add(lost(10 * n, 10 * n + 1))
        again = State()
        bad = again.unpack(state.pack({5, 2047, 300}))
        self.assertEqual(bad, [5, 300, 2047])
        self.assertEqual(again.pack({5, 2047, 300}), state.pack({5, 2047, 300}))
        self.assertEqual(again.lost.ranges(), state.lost.ranges())
        self.assertEqual((again.tail_number, again.tail), (18, 66000 * SECTOR + 4000))

    def test_batch_record(self):
        place = (5 * SECTOR + 9, 254 * SECTOR + 40, 65535, 0xFFFFFFFF, 30, 90)
        for chain in (b"", b"c" * 16):
            batch = Batch(1, 2, b"h" * 32, 60, 120, *place, chain)
            payload = pack_batch(batch, 256 * SECTOR + 7)
            self.assertEqual(unpack_batch(payload, 256), batch)
        self.assertEqual(encoded_len(BATCH, len(payload)), BATCH_LEN)

    def test_bad_sectors_are_bounded(self):
        self.assertEqual(len(State().unpack(State().pack(set(range(500))))), 32)
