"""A new key that the old one named; what a pulled cable leaves; the chain that begins then."""

import asyncio
import binascii
import json
import unittest

from agent import log
from agent.errors import KeystoreError
from agent.keystore import Keystore
from agent.rollover import roll_over
from agent.sealer import Sealer
from agent.sealer_gather import OCMF
from fakes.nor_flash import PowerCut
from fakes.whole_board import WholeBoard
from support import minicbor
from support.run_app import fresh_loop, run_for
from support.sealing_station import Station

ENTROPY = bytes(range(32))


class Board:
    """What rollover needs of a board."""

    def __init__(self, station):
        self.store, self.flash = station.store, station.flash.after_cut()
        self.random = self.key_entropy = station.random


def device_id(station):
    return binascii.hexlify(Keystore.load(station.store).signer().kid_8).decode()


def end_session(app, pending):
    """The record of the open session is in the journal, or only in the state store."""

    def cut(kind, content):
        raise PowerCut()

    app.sessions.sessions[0].abandon()
    append = app.journal.append
    if pending:
        app.journal.append = cut
    try:
        app.sessions._issue()
    except PowerCut:
        app.journal.append = append


class RolloverTest(unittest.TestCase):
    def setUp(self):
        self.station = Station().boot()
        for _ in range(3):
            self.station.read(5)
            self.station.seal()
        self.old = device_id(self.station)

    def roll_over(self):
        return roll_over(Board(self.station), self.old, ENTROPY)

    def test_the_old_key_signs_the_new_one(self):
        made = self.roll_over()
        self.assertNotEqual(made["device_id"], self.old)
        self.assertEqual(device_id(self.station), made["device_id"])
        protected, _, payload, _ = minicbor.decode(binascii.unhexlify(made["statement"])).value
        named = minicbor.decode(payload)
        self.assertEqual(minicbor.decode(protected)[4], binascii.unhexlify(self.old))
        self.assertEqual(minicbor.decode(protected)[3], 65003)
        self.assertEqual(named, {0: 1, 1: binascii.unhexlify(made["public_key"])})

    def test_the_chain_begins_anew_and_names_the_old_head(self):
        keystore = self.station.keystore
        chain, head = keystore.chain_16, keystore.mark
        self.roll_over()
        self.station.boot()
        self.station.read(5)
        payload = self.station.sealed()
        self.assertNotEqual(payload[1], chain)
        self.assertEqual(payload[17], {0: 3, 2: chain, 3: head.number, 4: head.hash_32})
        self.assertEqual((payload[2], payload[6]), (1, 16))

    def test_readings_that_were_not_sealed_are_sealed_by_the_new_key(self):
        self.station.read(2)
        self.roll_over()
        self.station.boot()
        payload = self.station.sealed()
        self.assertEqual((payload[6], payload[7]), (16, 2))
        self.assertNotIn(15, payload)

    def test_asked_again_it_says_the_same(self):
        self.assertEqual(self.roll_over(), self.roll_over())

    def test_a_cut_leaves_the_old_key_or_the_new_one_with_its_statement(self):
        for cut in range(2):
            station = self.station = Station().boot()
            station.read(5)
            station.seal()
            self.old = device_id(station)
            station.power.cut_at = station.power.done + cut
            with self.assertRaises(PowerCut):
                self.roll_over()
            station.power.cut_at = None
            self.assertEqual(device_id(station), self.old)
            made = self.roll_over()
            self.assertEqual(device_id(station), made["device_id"])

    def test_before_the_first_batch(self):
        self.station = Station().boot()
        self.old = device_id(self.station)
        made = self.roll_over()
        self.station.boot()
        self.station.read(5)
        payload = self.station.sealed()
        self.assertEqual(payload[17], {0: 0, 1: b"r" * 32})
        self.assertEqual(device_id(self.station), made["device_id"])

    def test_records_of_sessions_are_sealed_by_the_key_that_signed_them(self):
        for pending in (False, True):
            self.check_records(pending)

    def ended(self, pending=False):
        """Board and application whose session ended, with its record in no batch yet."""
        board = WholeBoard(sessions=[{"contact_pin": 4}], seal_interval_s=3600)
        app = board.power_on()
        log.configure(log.OFF)
        board.contactor_closed = True
        asyncio.run(run_for(app, board, 60))
        fresh_loop()
        end_session(app, pending)
        return board, app

    def short_of_memory(self, times):
        """The next `times` batches find too little."""
        encoded = Sealer._encoded

        def fail(sealer, *gathered):
            self.failed += 1
            if self.failed <= times:
                raise MemoryError
            return encoded(sealer, *gathered)

        self.failed = 0
        Sealer._encoded = fail
        self.addCleanup(setattr, Sealer, "_encoded", encoded)

    def test_too_little_memory_for_a_batch_is_no_reason_to_leave_records(self):
        board, app = self.ended()
        self.short_of_memory(3)
        roll_over(board, binascii.hexlify(app.signer.kid_8).decode(), ENTROPY)
        left = [kind for kind, _ in board.power_on().journal.unsealed()]
        self.assertFalse(OCMF in left)

    def test_a_record_that_cannot_be_sealed_keeps_the_old_key(self):
        board, app = self.ended()
        self.short_of_memory(10**6)
        with self.assertRaises(KeystoreError) as caught:
            roll_over(board, binascii.hexlify(app.signer.kid_8).decode(), ENTROPY)
        self.assertEqual(caught.exception.code, "rollover-records")
        self.assertTrue(self.failed < 20)
        self.assertEqual(Keystore.load(board.store).signer().kid_8, app.signer.kid_8)

    def check_records(self, pending):
        board, app = self.ended(pending)
        old = app.signer.kid_8
        made = roll_over(board, binascii.hexlify(old).decode(), ENTROPY)
        self.assertNotEqual(binascii.unhexlify(made["device_id"]), old)
        app = board.power_on()
        self.assertEqual([one for one in app.journal.unsealed() if one[0] == OCMF], [])
        found = {}
        for _, _, read in app.journal.batches():
            batch = minicbor.decode(bytes(read())).value
            for text in minicbor.decode(batch[2]).get(18, ()):
                found.setdefault(text, []).append(minicbor.decode(batch[0])[4])
        self.assertEqual(list(found.values()), [[old]])
        gateway = json.loads(next(iter(found)).split("|")[1])["GS"]
        self.assertEqual(gateway, binascii.hexlify(old).decode())
        self.assertEqual((app.sessions.book.pages["T"], app.sessions.book.pending), (1, ""))

    def test_another_key_is_refused(self):
        with self.assertRaises(KeystoreError) as caught:
            roll_over(Board(self.station), "00" * 8, ENTROPY)
        self.assertEqual(caught.exception.code, "rollover-key")
        self.assertEqual(device_id(self.station), self.old)


if __name__ == "__main__":
    unittest.main()
