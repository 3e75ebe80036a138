"""Run tests/firmware/test_*.py on the MicroPython VM.

Usage: micropython tests/run_device_tests.py [NAME ...]     (NAME: journal, test_journal, ...)

Each file runs in a process of its own with a bounded heap, so that one cannot disturb the next;
a few at a time.
Ends with `N passed, M failed, K skipped` and exit code 0 only if nothing failed.
"""

import os
import sys

HERE = sys.argv[0].rsplit("/", 1)[0] if "/" in sys.argv[0] else "."
ROOT = HERE[: -len("/tests")] if HERE.endswith("/tests") else HERE + "/.."
HEAP = "32m"  # room for simulated flash; what the agent itself needs is measured elsewhere
AT_A_TIME = 4


def _names(arguments):
    """The test modules that the arguments name, or all of them."""
    found = sorted(
        n[:-3]
        for n in os.listdir(HERE + "/firmware")
        if n.startswith("test_") and n.endswith(".py")
    )
    if not arguments:
        return found
    wanted = [a.split("/")[-1].replace(".py", "") for a in arguments]
    wanted = [w if w.startswith("test_") else "test_" + w for w in wanted]
    unknown = [w for w in wanted if w not in found]
    if unknown:
        print("no such test file: %s; there are: %s" % (", ".join(unknown), ", ".join(found)))
        sys.exit(2)
    return wanted


def _run_one(name, report_path):
    """Child: run one file and write its counts for the parent."""
    sys.path[:0] = [ROOT + "/firmware", HERE, HERE + "/lib", HERE + "/firmware"]
    import unittest

    result = unittest.Result()
    try:
        unittest.run_module(__import__(name), result)
    except unittest.SkipTest as reason:
        result.skip(name, reason)
    for test, reason in result.skipped:
        print("SKIP %s: %s" % (test, reason))
    with open(report_path, "w") as report:
        report.write("%d %d %d" % (result.passed, result.failed, len(result.skipped)))


def _counts(report_path):
    """The counts that a child wrote; one failure if it found no test or died before the end."""
    try:
        with open(report_path) as report:
            counts = [int(n) for n in report.read().split()]
        os.remove(report_path)
    except OSError:
        counts = []
    return counts if len(counts) == 3 and sum(counts) else [0, 1, 0]


def _words(counts):
    return "%d passed, %d failed, %d skipped" % tuple(counts)


def _report_path():
    token = "".join("%02x" % b for b in os.urandom(8))
    return "%s/device-tests-%s" % (os.getenv("TMPDIR") or "/tmp", token)


def _said(path, shown):
    """What a child printed: shown if it was asked for by name, failed or skipped."""
    with open(path) as out:
        for line in out if shown else ():
            print(line, end="")
    os.remove(path)


def _start(names):
    """Runs these files at the same time; the path of the report of each, in order."""
    paths = [_report_path() for _ in names]
    one = "'%s' -X heapsize=%s '%s' --one %s %s >%s.out 2>&1 &"
    started = [
        one % (sys.executable, HEAP, sys.argv[0], name, path, path)
        for name, path in zip(names, paths)
    ]
    os.system(" ".join(started) + " wait")
    return paths


def main(arguments):
    """Run the named files, each in its own process, and print the totals.

    Many provoke errors that the agent logs; without names only what failed shows its words.
    """
    total = [0, 0, 0]
    left = _names(arguments)
    while left:
        names, left = left[:AT_A_TIME], left[AT_A_TIME:]
        for name, path in zip(names, _start(names)):
            counts = _counts(path)
            _said(path + ".out", bool(arguments) or counts[1] or counts[2])
            print("%-24s %s" % (name, _words(counts)))
            total = [a + b for a, b in zip(total, counts)]
    print(_words(total))
    sys.exit(1 if total[1] else 0)


if sys.argv[1:2] == ["--one"]:
    _run_one(sys.argv[2], sys.argv[3])
else:
    main(sys.argv[1:])
