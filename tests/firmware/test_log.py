import unittest

from agent import log


class LogTest(unittest.TestCase):
    def setUp(self):
        self.lines = []
        log.configure(log.INFO, self.lines.append)
        self.addCleanup(log.configure, log.INFO, print)

    def test_line_has_fields_in_order_of_name(self):
        log.warn("uplink", "http", status=503, retry_ms=4000)
        self.assertEqual(self.lines, ["warn uplink http retry_ms=4000 status=503"])

    def test_below_the_level_nothing_is_formatted(self):
        class Unprintable:
            def __str__(self):
                raise AssertionError("formatted")

        log.debug("uplink", "http", body=Unprintable())
        self.assertEqual(self.lines, [])

    def test_keeps_only_the_last_lines(self):
        for i in range(100):
            log.info("a", "b", n=i)
        kept = log.recent()
        self.assertEqual(len(kept), 60)
        self.assertEqual(kept[-1], "info a b n=99")

    def test_long_lines_take_no_more_room_than_short_ones(self):
        for i in range(100):
            log.warn("a", "b", n=i, text="x" * 400)
        kept = log.recent()
        self.assertEqual(len(kept), 5)
        self.assertTrue(kept[-1].startswith("warn a b n=99"))
        log.warn("a", "b", text="x" * 3000)  # longer than all that is kept
        self.assertEqual(log.recent(), [])
        log.info("a", "b")
        self.assertEqual(log.recent(), ["info a b"])

    def test_levels_by_name(self):
        self.assertEqual(log.level_named("error"), log.ERROR)


if __name__ == "__main__":
    unittest.main()
