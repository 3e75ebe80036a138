"""What `main` does before there is an application: damaged files, a board that cannot start."""

import unittest

import main
from agent import log
from agent.boots import keep_reset_reason
from agent.errors import FwError
from agent.files import BackedFiles, blob_name
from fakes.whole_board import WholeBoard


class Board(WholeBoard):
    """With copies of its files, as a board with NVS has them."""

    def __init__(self):
        super().__init__()
        self.paused = 0
        self.boot()

    def boot(self):
        self.copies = BackedFiles(self.from_disk, self.store)
        self.read_file = self.copies.read

    def from_disk(self, name):
        if name not in self.files:
            raise OSError(2)
        return self.files[name]

    def configure(self, config):
        self.configured = config

    def pause_and_reset(self):
        self.paused += 1


class MainTest(unittest.TestCase):
    def setUp(self):
        log.configure(log.OFF)
        self.addCleanup(log.configure, log.INFO)
        self.board = Board()

    def damage(self):
        found = bytearray(self.board.files["config.json"])
        found[30] ^= 0x80
        self.board.files["config.json"] = bytes(found)

    def test_a_damaged_configuration_gives_way_to_its_copy_boot_after_boot(self):
        main.load(self.board)
        good = self.board.files["config.json"]
        self.damage()
        for _ in range(3):
            self.board.boot()
            main.load(self.board)
            self.assertEqual(self.board.configured["station_id"], "bench")
        self.assertEqual(self.board.store.get(blob_name("config.json")), good)

    def test_who_checks_a_configuration_is_told_what_is_wrong_with_it(self):
        main.load(self.board)
        self.damage()
        self.board.boot()
        with self.assertRaises(FwError):
            main.load(self.board, strict=True)

    def test_a_board_that_cannot_start_says_why_and_tries_again(self):
        error = FwError("config-syntax", "no JSON")
        self.assertTrue(main.stopped(self.board, error, []))
        self.assertEqual(self.board.paused, 1)
        self.assertEqual(self.board.store.get("reset_reason"), b"start: config-syntax")
        self.assertFalse(main.stopped(self.board, error, ["/", "--check"]))
        self.assertFalse(main.stopped(None, error, []))

    def main(self, error, in_slot):
        """The answer of `main` on this board, whose station cannot be built."""

        class Port:
            Board = staticmethod(lambda root: self.board)

        def start(board):
            raise error

        self.board.safe_mode = lambda: False
        kept = main.port_module, main.start
        main.port_module, main.start = lambda: Port, start
        try:
            return main.main([], in_slot)
        finally:
            main.port_module, main.start = kept

    def test_a_slot_that_cannot_start_tells_who_handed_over(self):
        for error in (ImportError, MemoryError, ValueError, OSError):
            with self.assertRaises(error):
                self.main(error("incompatible .mpy file"), True)
        self.assertEqual(self.board.paused, 0)
        self.assertEqual(self.main(ImportError("no"), False), 1)  # nobody to hand back to
        self.assertEqual(self.board.paused, 1)

    def test_a_refusal_is_no_reason_to_give_a_slot_up(self):
        self.assertEqual(self.main(FwError("config-syntax", "no JSON"), True), 1)
        self.assertEqual(self.board.paused, 1)

    def test_a_store_that_refuses_does_not_prevent_the_reset(self):
        def refuse(name, blob):
            raise OSError(28)

        self.board.store.set = refuse
        keep_reset_reason(self.board.store, "task meters: x")


if __name__ == "__main__":
    unittest.main()
