"""The secure element's driver and signer against a simulated chip; and a station that lives on."""

import asyncio
import unittest

from agent import keystore_create, log, p256
from agent.atecc608 import Atecc608, crc16, load_signer, make_record
from agent.enrol import enrol
from agent.errors import ElementError, KeystoreError, SignerError
from agent.keystore import Keystore
from agent.p256_field import N
from agent.signer import CONTENT_BATCH, kid_of
from fakes.atecc608_chip import Chip, crc
from fakes.whole_board import WholeBoard
from support import minicbor
from support.run_app import run_for

DIGEST = b"\x5a" * 32
SIGN, GENKEY, READ, NONCE = 0x41, 0x40, 0x02, 0x16


class Once:
    """A fault of one answer to one command."""

    def __init__(self, opcode, kind):
        self.opcode = opcode
        self.kind = kind
        self.done = False

    def __call__(self, opcode, n):
        if self.done or opcode != self.opcode:
            return None
        self.done = True
        return self.kind


class Driver(unittest.TestCase):
    def setUp(self):
        self.chip = Chip()
        self.element = Atecc608(self.chip, self.chip.sleep_ms)

    def tearDown(self):
        self.assertEqual(self.chip.violations, [])
        self.assertIsNone(self.chip._woken_us)  # asleep again, whatever happened

    def refused(self, call, *arguments):
        with self.assertRaises(ElementError) as caught:
            call(*arguments)
        return caught.exception.code

    def test_crc_is_that_of_the_data_sheet(self):
        self.assertEqual(crc16(b"\x04\x11"), b"\x33\x43")
        self.assertEqual(crc16(b"\x07\x30\x00\x00\x00"), b"\x03\x5d")
        for length in range(60):
            data = bytes([17 * length + i & 0xFF for i in range(length)])
            self.assertEqual(crc16(data), crc(data))

    def test_serial_and_configuration(self):
        self.assertEqual(self.element.serial(), self.chip.serial)
        self.assertEqual(self.element.configuration(), self.chip.zone())
        self.element.check_locked()

    def test_makes_a_key_tells_it_and_signs(self):
        public = self.element.make_key(2)
        self.assertEqual(self.element.public_key(2), public)
        for i in range(12):
            digest = bytes([i]) * 32
            signature = self.element.sign(2, digest)
            self.assertTrue(p256.verify_digest(public, digest, signature))
            self.assertTrue(int.from_bytes(signature[32:], "big") <= N >> 1)
        self.assertLess(self.chip.awake_us, 500000)

    def test_an_unlocked_chip_is_not_enrolled(self):
        for zone in ("config_locked", "data_locked"):
            setattr(self.chip, zone, False)
            self.assertEqual(self.refused(make_record, self.element), "element-unlocked")
            setattr(self.chip, zone, True)
        self.assertEqual(self.chip.keys, {})

    def test_locked_slots_and_empty_slots_are_refused_by_the_chip(self):
        self.chip.locked_slots = {0}
        self.assertEqual(self.refused(make_record, self.element), "element-status")
        self.assertEqual(self.refused(self.element.public_key, 5), "element-status")
        self.assertEqual(self.refused(self.element.sign, 5, DIGEST), "element-status")

    def test_one_fault_of_any_kind_is_mended_by_another_try(self):
        self.element.make_key(0)
        for kind in ("crc", "bit", "length", "silent", 0xEE, 0xFF):
            for opcode in (0, NONCE, SIGN):
                if opcode == 0 and (isinstance(kind, int) or kind == "silent"):
                    continue
                once = Once(opcode, kind)
                self.chip.fault = once
                if kind == "silent":  # it works on until its watchdog puts it to sleep
                    self.assertEqual(self.refused(self.element.sign, 0, DIGEST), "element-silent")
                    self.chip.sleep_ms(1500)
                    self.chip.violations.clear()
                self.element.sign(0, DIGEST)
                self.assertTrue(once.done)

    def test_lasting_faults_have_their_codes_and_an_end(self):
        self.element.make_key(0)
        expected = {"crc": "element-crc", "bit": "element-crc", "length": "element-crc"}
        expected.update({"silent": "element-silent", 0x0F: "element-status", 5: "element-status"})
        for kind in expected:
            self.chip.fault = lambda opcode, n, kind=kind: kind if opcode == SIGN else None
            before = self.chip.now_us
            self.assertEqual(self.refused(self.element.sign, 0, DIGEST), expected[kind])
            self.assertLess(self.chip.now_us - before, 1500000)
            self.chip.violations.clear()
            if kind == "silent":
                self.chip.fault = lambda opcode, n: None
                self.chip._sleep()
        self.chip.fault = lambda opcode, n: "bit" if not opcode else None
        self.assertEqual(self.refused(self.element.serial), "element-wake")
        self.chip.absent = True
        self.assertEqual(self.refused(self.element.serial), "element-absent")
        self.chip._sleep()


class SignerTest(unittest.TestCase):
    def setUp(self):
        self.board = WholeBoard()
        self.chip = Chip()
        self.board.store.blobs.clear()
        self.board.element = Atecc608(self.chip, self.chip.sleep_ms)
        self.identity = enrol(self.board, bytes(32))

    def test_enrolment_makes_the_key_inside_and_says_so(self):
        self.assertEqual(self.identity["key_class"], "secure-element")
        self.assertEqual(list(self.chip.keys), [0])
        private = self.chip.keys[0]
        for name in self.board.store.blobs:
            self.assertEqual(self.board.store.blobs[name].find(private), -1)
        self.assertEqual(enrol(self.board, bytes(32)), self.identity)
        with self.assertRaises(KeystoreError):
            keystore_create.create_element(self.board.store, self.board.element)

    def test_signs_what_the_software_signer_signs_and_nothing_else(self):
        signer = Keystore.load(self.board.store).signer(self.board.element)
        content, hash_32 = signer.sign1(CONTENT_BATCH, b"\xa0")
        self.assertTrue(p256.verify_digest(signer.public_65, hash_32, content[-64:]))
        self.assertEqual(signer.kid_8, kid_of(signer.public_65))
        for call in (lambda: signer.sign1(65004, b"\xa0"), lambda: signer.sign_ocmf("x")):
            with self.assertRaises(SignerError):
                call()

    def test_another_chip_or_none_signs_nothing(self):
        keystore = Keystore.load(self.board.store)
        other = Chip(b"\x01\x23\x99\x99\x99\x99\x99\x99\xee", seed=77)
        element = Atecc608(other, other.sleep_ms)
        element.make_key(0)
        for chip, code in ((element, "element-key"), (None, "element-absent")):
            with self.assertRaises(ElementError) as caught:
                keystore.signer(chip).sign_ocmf("{}")
            self.assertEqual(caught.exception.code, code)
        with self.assertRaises(ElementError):
            load_signer(self.board.store, bytes(32), element)


class StationTest(unittest.TestCase):
    """A whole station whose key is in the chip."""

    def setUp(self):
        self.addCleanup(log.configure, log.INFO)
        self.board = WholeBoard()
        self.chip = Chip()
        self.board.store.blobs.clear()
        self.board.element = Atecc608(self.chip, self.chip.sleep_ms)
        enrol(self.board, bytes(32))
        self.held = {}

    def run_for(self, seconds):
        self.app = self.board.power_on()
        self.app.uplink._connection.chains = self.held
        asyncio.run(run_for(self.app, self.board, seconds))

    def payloads(self):
        kept = self.held.get(self.app.keystore.chain_16, {})
        return [minicbor.decode(minicbor.decode(kept[n]).value[2]) for n in sorted(kept)]

    def test_a_chip_that_fails_is_reported_and_sampling_goes_on(self):
        for fault, code in (
            ("crc", "element-crc"),
            (0x0F, "element-status"),
            ("silent", "element-silent"),
            ("absent", "element-absent"),
        ):
            self.run_for(150)
            before = len(self.payloads())
            self.assertGreater(before, 0)
            self.chip.absent = fault == "absent"
            self.chip.fault = lambda opcode, n, fault=fault: fault if opcode == SIGN else None
            self.run_for(900)
            self.assertEqual(len(self.payloads()), before)  # nothing could be sealed
            self.assertEqual((self.app.meters.missed, self.board.resets), (0, []))
            self.chip.absent = False
            self.chip.fault = lambda opcode, n: None
            self.chip._sleep()
            self.run_for(400)
            told = [e for p in self.payloads()[before:] for e in p.get(14, []) if e[0] == 9]
            self.assertEqual([event[3] for event in told], [["seal", code]])
        readings = sum([payload[7] for payload in self.payloads()])
        print("sealed after faults:", readings, "readings")
        self.assertGreaterEqual(readings, 4 * 145 - 8)  # one every 10 s, less those unsealed yet
        self.assertEqual([p[11] for p in self.payloads() if p[11] != 2], [])


if __name__ == "__main__":
    unittest.main()
