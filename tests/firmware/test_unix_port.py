import os
import unittest

from agent.ports import unix


def temporary_directory():
    path = "%s/unix-port-%s" % (
        os.getenv("TMPDIR") or "/tmp",
        int.from_bytes(os.urandom(6), "big"),
    )
    os.mkdir(path)
    return path


def remove_directory(path):
    for name in os.listdir(path):
        os.remove("%s/%s" % (path, name))
    os.rmdir(path)


class FilesTest(unittest.TestCase):
    def setUp(self):
        self.directory = temporary_directory()
        self.addCleanup(remove_directory, self.directory)

    def flash(self):
        return unix.FileFlash(self.directory + "/flash.bin", 4)

    def read(self, flash, block, offset, n):
        found = bytearray(n)
        flash.readblocks(block, found, offset)
        return bytes(found)

    def test_new_flash_is_erased_and_programs_at_offsets(self):
        flash = self.flash()
        self.assertEqual((flash.ioctl(4, 0), flash.ioctl(5, 0)), (4, 4096))
        self.assertEqual(self.read(flash, 3, 4090, 6), b"\xff" * 6)
        flash.writeblocks(1, b"sealed", 100)
        self.assertEqual(self.read(flash, 1, 99, 8), b"\xffsealed\xff")
        self.assertEqual(self.read(flash, 2, 100, 6), b"\xff" * 6)

    def test_a_second_opening_sees_every_write_without_closing_the_first(self):
        self.flash().writeblocks(0, b"durable", 0)
        self.assertEqual(self.read(self.flash(), 0, 0, 7), b"durable")

    def test_programming_cannot_set_bits(self):
        flash = self.flash()
        flash.writeblocks(0, b"\x0f", 0)
        flash.writeblocks(0, b"\x0e", 0)
        with self.assertRaises(OSError):
            flash.writeblocks(0, b"\x0f", 0)
        flash.ioctl(6, 0)
        flash.writeblocks(0, b"\xff\x0f", 0)
        self.assertEqual(self.read(flash, 0, 0, 3), b"\xff\x0f\xff")

    def test_store_keeps_blobs_apart_and_replaces_them(self):
        store = unix.FileStore(self.directory)
        self.assertIsNone(store.get("chain"))
        store.set("chain", b"one")
        store.set("chain", b"two")
        store.set("boot", b"")
        self.assertEqual(unix.FileStore(self.directory).get("chain"), b"two")
        self.assertEqual(store.get("boot"), b"")
        self.assertEqual(sorted(os.listdir(self.directory)), ["boot", "chain"])


class WatchdogTest(unittest.TestCase):
    def test_late_feeding_ends_the_process(self):
        watchdog = unix.Watchdog(1000)
        watchdog.feed()
        watchdog.feed()
        watchdog._fed_ms = unix.ticks.ticks_add(unix.ticks.ticks_ms(), -1500)
        with self.assertRaises(SystemExit):
            watchdog.feed()


if __name__ == "__main__":
    unittest.main()
