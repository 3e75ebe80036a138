"""Modules of an ESP32, as much as its port asks for, in place of the real ones: `install()`.

The clock counts from 2000 and runs through resets, as the watchdog does; `power_cut()` stops both.
"""

import sys


class Chip:
    """What stays between the objects of the modules."""

    def __init__(self):
        self.blobs = {}
        self.nvs_error = 0
        self.partitions = {}
        self.power_cut()

    def power_cut(self):
        """Memory and date of the clock are lost, and no watchdog runs."""
        self.memory = b""
        self.date = (2000, 1, 1, 5, 0, 0, 0, 0)
        self.watchdog_ms = None
        self.soft_reset()

    def soft_reset(self):
        """As on the way into a raw REPL: timers end, the watchdog does not."""
        self.timers = 0


chip = Chip()


class RTC:
    def memory(self, given=None):
        if given is not None:
            chip.memory = bytes(given)
        return chip.memory

    def datetime(self, given=None):
        if given is not None:
            chip.date = tuple(given)
        return chip.date


class WDT:
    """Starts or changes the one that there is; nothing stops it."""

    def __init__(self, id=0, timeout=5000):
        chip.watchdog_ms = timeout

    def feed(self):
        """Nothing here."""


class Timer:
    PERIODIC = 1

    def __init__(self, number):
        self.number = number

    def init(self, **settings):
        chip.timers += 1


class Machine:
    PWRON_RESET, HARD_RESET, WDT_RESET, DEEPSLEEP_RESET, SOFT_RESET = 1, 2, 3, 4, 5
    RTC, WDT, Timer = RTC, WDT, Timer

    def reset_cause(self):
        return 1


class Nvs:
    def __init__(self, namespace):
        self.namespace = namespace

    def get_blob(self, name, buffer):
        if chip.nvs_error:
            raise OSError(chip.nvs_error)
        blob = chip.blobs.get(name)
        if blob is None:
            raise OSError(-0x1102, "ESP_ERR_NVS_NOT_FOUND")
        if len(blob) > len(buffer):
            raise OSError(-0x110C, "ESP_ERR_NVS_INVALID_LENGTH")
        buffer[: len(blob)] = blob
        return len(blob)

    def set_blob(self, name, blob):
        chip.blobs[name] = bytes(blob)

    def commit(self):
        """Nothing here."""


class Partition:
    TYPE_DATA = 1

    @staticmethod
    def find(type, label):
        return [chip.partitions[label]] if label in chip.partitions else []


class Esp32:
    NVS = Nvs
    Partition = Partition


class Network:
    """No network."""


def install():
    """The modules, and the port that sees them."""
    sys.modules["machine"], sys.modules["esp32"] = Machine(), Esp32()
    sys.modules["network"] = Network()
    from agent.ports import esp32, nvs

    esp32.esp32 = nvs.esp32 = sys.modules["esp32"]  # perhaps they were loaded with others
    esp32.Stdin = object  # nobody is at the console; pytest has no such stdin
    return esp32
