"""Energy totals: zero, backward, rollover, jump; and what may become a baseline."""

import unittest

from agent.plausibility import BACKWARD, JUMP, ROLLOVER, SETTLED_AFTER, ZERO, Baseline

MINUTE = 60000
KWH = 1000000  # mWh
STEP = 100000  # 0.1 kWh


def believing(total_mwh, rated_power_w=10000):
    baseline = Baseline(rated_power_w)
    baseline.believe(total_mwh, 0)
    return baseline


class Judgement(unittest.TestCase):
    def test_the_first_value_is_believed_unless_zero(self):
        self.assertEqual(Baseline().judge(5 * KWH, 0, STEP), None)
        self.assertEqual(Baseline().judge(0, 0, STEP), ZERO)

    def test_standing_still_and_rising(self):
        baseline = believing(100 * KWH)
        self.assertEqual(baseline.judge(100 * KWH, MINUTE, 1000), None)
        # 10 kW for a minute are 166.67 Wh
        self.assertEqual(baseline.judge(100 * KWH + 166667, MINUTE, 1000), None)

    def test_each_reason(self):
        baseline = believing(100 * KWH)
        for total, reason in (
            (0, ZERO),
            (100 * KWH - 1, BACKWARD),
            (10 * KWH, BACKWARD),
            (101 * KWH, JUMP),
            (10**12, JUMP),
        ):
            self.assertEqual(baseline.judge(total, MINUTE, 1000), reason)

    def test_resolution_is_allowed_for(self):
        # one step of 0.1 kWh in a second is more than 10 kW, and only the counter's coarseness
        self.assertEqual(believing(100 * KWH).judge(100 * KWH + STEP, 1000, STEP), None)

    def test_a_long_gap_allows_a_large_rise(self):
        baseline = believing(100 * KWH)
        self.assertEqual(baseline.judge(340 * KWH, 24 * 60 * MINUTE, STEP), None)
        self.assertEqual(baseline.judge(390 * KWH, 24 * 60 * MINUTE, STEP), JUMP)

    def test_rollover_of_the_register_and_of_the_display(self):
        baseline = believing((2**32 - 1) * 1000)
        self.assertEqual(baseline.judge(5000, MINUTE, 1000, 2**32 * 1000), ROLLOVER)
        baseline = believing(999999 * KWH + 900000)
        self.assertEqual(baseline.judge(100000, MINUTE, STEP), ROLLOVER)
        self.assertEqual(baseline.judge(0, MINUTE, STEP), ROLLOVER)
        self.assertEqual(baseline.judge(5000 * KWH, MINUTE, STEP), BACKWARD)


class Doubt(unittest.TestCase):
    def test_a_flagged_value_is_no_baseline(self):
        baseline = believing(53700 * KWH)
        for minute in range(1, 30):
            self.assertFalse(baseline.doubt(0, minute * MINUTE, STEP))
        # nobody books the lifetime total when the meter comes back
        self.assertEqual(baseline.judge(53700 * KWH, 30 * MINUTE, STEP), None)

    def test_a_register_that_went_elsewhere_and_counts_on_is_taken_after_a_while(self):
        baseline = believing(53700 * KWH)
        settled = [baseline.doubt(KWH + n * 1000, n * MINUTE, 1000) for n in range(SETTLED_AFTER)]
        self.assertEqual(settled, [False] * (SETTLED_AFTER - 1) + [True])
        self.assertEqual(baseline.judge(KWH + 20000, 20 * MINUTE, 1000), None)

    def test_values_that_do_not_agree_are_never_taken(self):
        baseline = believing(53700 * KWH)
        for n in range(1, 40):
            self.assertFalse(baseline.doubt((n % 2 + 1) * KWH, n * MINUTE, 1000))

    def test_a_new_meter_at_zero_is_taken_in_the_end(self):
        baseline = Baseline()
        settled = [baseline.doubt(0, n * MINUTE, 1000) for n in range(SETTLED_AFTER)]
        self.assertEqual(settled[-1], True)
        self.assertEqual(baseline.judge(0, 20 * MINUTE, 1000), None)

    def test_another_meter_starts_anew(self):
        baseline = believing(53700 * KWH)
        baseline.reset()
        self.assertEqual(baseline.judge(KWH, MINUTE, 1000), None)


if __name__ == "__main__":
    unittest.main()
