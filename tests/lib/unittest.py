"""The part of the standard `unittest` that the device tests use, for MicroPython, which has none.

Written for this project. Test files import `unittest` and run unchanged on CPython under pytest.
Supported: fixtures, cleanups, the assertions below, subTest, skips with a reason, and `run_module`.
"""

import sys


class SkipTest(Exception):
    """Raised to skip a test; the argument is the reason."""


class _RaisesContext:
    def __init__(self, expected):
        self.expected = expected
        self.exception = None

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        if kind is None:
            raise AssertionError("%r was not raised" % (self.expected,))
        if not issubclass(kind, self.expected):
            return False
        self.exception = value
        return True


class _SubTest:
    def __init__(self, case, message, params):
        self.case = case
        self.label = " ".join(
            [str(message)] * (message is not None) + ["%s=%r" % p for p in params]
        )

    def __enter__(self):
        return self

    def __exit__(self, kind, value, traceback):
        if kind is None or issubclass(kind, SkipTest) or not issubclass(kind, Exception):
            return False
        self.case._failures.append((self.label, value))
        return True


class TestCase:
    """Base of all tests: a method whose name starts with `test` is one test."""

    def __init__(self):
        self._cleanups = []
        self._failures = []

    @classmethod
    def setUpClass(cls):
        pass

    @classmethod
    def tearDownClass(cls):
        pass

    def setUp(self):
        pass

    def tearDown(self):
        pass

    def addCleanup(self, function, *args, **kwargs):
        self._cleanups.append((function, args, kwargs))

    def doCleanups(self):
        while self._cleanups:
            function, args, kwargs = self._cleanups.pop()
            function(*args, **kwargs)

    def subTest(self, msg=None, **params):
        return _SubTest(self, msg, sorted(params.items()))

    def skipTest(self, reason):
        raise SkipTest(reason)

    def fail(self, msg=None):
        raise AssertionError(msg or "failed")

    def _check(self, ok, default, msg):
        if not ok:
            raise AssertionError(default if msg is None else "%s: %s" % (default, msg))

    def assertTrue(self, value, msg=None):
        self._check(value, "%r is not true" % (value,), msg)

    def assertFalse(self, value, msg=None):
        self._check(not value, "%r is not false" % (value,), msg)

    def assertEqual(self, first, second, msg=None):
        self._check(first == second, "%r != %r" % (first, second), msg)

    def assertNotEqual(self, first, second, msg=None):
        self._check(first != second, "%r == %r" % (first, second), msg)

    def assertIs(self, first, second, msg=None):
        self._check(first is second, "%r is not %r" % (first, second), msg)

    def assertIsNot(self, first, second, msg=None):
        self._check(first is not second, "%r is %r" % (first, second), msg)

    def assertIsNone(self, value, msg=None):
        self._check(value is None, "%r is not None" % (value,), msg)

    def assertIsNotNone(self, value, msg=None):
        self._check(value is not None, "unexpectedly None", msg)

    def assertIn(self, member, container, msg=None):
        self._check(member in container, "%r not in %r" % (member, container), msg)

    def assertNotIn(self, member, container, msg=None):
        self._check(member not in container, "%r in %r" % (member, container), msg)

    def assertIsInstance(self, value, kinds, msg=None):
        self._check(isinstance(value, kinds), "%r is not of %r" % (value, kinds), msg)

    def assertGreater(self, first, second, msg=None):
        self._check(first > second, "%r <= %r" % (first, second), msg)

    def assertGreaterEqual(self, first, second, msg=None):
        self._check(first >= second, "%r < %r" % (first, second), msg)

    def assertLess(self, first, second, msg=None):
        self._check(first < second, "%r >= %r" % (first, second), msg)

    def assertLessEqual(self, first, second, msg=None):
        self._check(first <= second, "%r > %r" % (first, second), msg)

    def assertAlmostEqual(self, first, second, places=7, msg=None, delta=None):
        bound = delta if delta is not None else 0.5 * 10**-places
        self._check(abs(first - second) <= bound, "%r is not close to %r" % (first, second), msg)

    def assertRaises(self, expected, function=None, *args, **kwargs):
        context = _RaisesContext(expected)
        if function is None:
            return context
        with context:
            function(*args, **kwargs)
        return None

    assertListEqual = assertTupleEqual = assertDictEqual = assertSequenceEqual = assertEqual


def skip(reason):
    """Decorator: skip this test, or every test of this class, and say why."""

    def decorate(target):
        if isinstance(target, type):
            target._skip_reason = reason
            return target

        def skipped(*args, **kwargs):
            raise SkipTest(reason)

        return skipped

    return decorate


def skipIf(condition, reason):
    """Decorator: skip when `condition` holds."""
    return skip(reason) if condition else lambda target: target


def skipUnless(condition, reason):
    """Decorator: skip unless `condition` holds."""
    return skipIf(not condition, reason)


class Result:
    """Counts of one run and the reasons of what was skipped."""

    def __init__(self):
        self.passed = 0
        self.failed = 0
        self.skipped = []

    def failure(self, name, exception):
        self.failed += 1
        print("FAIL %s" % name)
        sys.print_exception(exception)

    def skip(self, name, reason):
        self.skipped.append((name, str(reason)))


def _run_phases(case, method):
    """Run setUp, test, tearDown and cleanups; return the list of (label, exception)."""
    failures = case._failures
    for phases in ((case.setUp, method), (case.tearDown,), (case.doCleanups,)):
        try:
            for phase in phases:
                phase()
        except SkipTest:
            raise
        except Exception as error:
            failures.append(("", error))
            if phases[0] == case.setUp and phase is not method:
                case.doCleanups()
                break
    return failures


def _run_method(case_class, name, result):
    title = "%s.%s" % (case_class.__name__, name)
    try:
        case = case_class()
        if not hasattr(case, "_failures"):
            TestCase.__init__(case)
        failures = _run_phases(case, getattr(case, name))
    except SkipTest as reason:
        case.tearDown()
        case.doCleanups()
        result.skip(title, reason)
        return
    for label, error in failures:
        result.failure("%s %s" % (title, label), error)
    result.passed += not failures


def run_case(case_class, result):
    """Run every test of one TestCase class."""
    names = sorted(n for n in dir(case_class) if n.startswith("test"))
    reason = getattr(case_class, "_skip_reason", None)
    try:
        if reason is None:
            case_class.setUpClass()
    except SkipTest as error:
        reason = error
    except Exception as error:
        result.failure("%s.setUpClass" % case_class.__name__, error)
        return
    if reason is not None:
        for name in names:
            result.skip("%s.%s" % (case_class.__name__, name), reason)
        return
    for name in names:
        _run_method(case_class, name, result)
    try:
        case_class.tearDownClass()
    except Exception as error:
        result.failure("%s.tearDownClass" % case_class.__name__, error)


def run_module(module, result):
    """Run every TestCase class that `module` defines; return `result`."""
    for name in sorted(dir(module)):
        value = getattr(module, name)
        if isinstance(value, type) and issubclass(value, TestCase) and value is not TestCase:
            run_case(value, result)
    return result


def main(module="__main__"):
    """Run the tests of a module that is executed as a script."""
    result = run_module(__import__(module), Result())
    print("%d passed, %d failed" % (result.passed, result.failed))
    sys.exit(1 if result.failed else 0)
