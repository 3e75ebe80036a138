"""An ESP32-class board: UART, flash partition, NVS, RTC, watchdog, network, entropy.

Never run on hardware by this project yet; checked against the type stubs of the ESP32 port. The
journal is the partition `journal`, which no file system touches. Must never start the watchdog in
safe mode: it cannot be stopped, and would reset the board under the technician's hands.
"""

import os
import sys
import time

import machine
import network
from agent import log
from agent.boots import keep_reset_reason
from agent.clock import epoch_s
from agent.console import Stdin
from agent.files import BackedFiles
from agent.modbus.timing import sleep_ms

import esp32

from ..constant import const
from ..errors import ConfigError
from .chip import safe_pin
from .ds3231 import Ds3231
from .link import Lan, Link
from .nvs import NvsStore
from .wifi import Wifi

_GENUINE = const(b"meterseal1")
_SETTLE_MS = const(1000)
_SAFE_MS = const(2000)
_STEP_MS = const(1000)
_PAUSE_STEPS = const(120)  # before a board that could not start tries again
_ATTENDED_MS = const(3600000)  # what a technician may take; then the station starts again
_TRIAL_MS = const(120000)  # to load, check and start a version; then its own watchdog counts

# A brown-out is a watchdog reset to MicroPython (ports/esp32/modmachine.c).
_CAUSES = {
    machine.PWRON_RESET: 1,
    machine.HARD_RESET: 2,
    machine.WDT_RESET: 3,
    machine.SOFT_RESET: 4,
    machine.DEEPSLEEP_RESET: 6,
}


class InternalRtc:
    """The clock of the chip, lost with the power; a mark says whether its time is genuine."""

    source = 1
    error_ms = 60000

    def __init__(self, battery_rtc=None):
        self._rtc = machine.RTC()
        self._battery_rtc = battery_rtc
        if battery_rtc:
            self.source, self.error_ms = battery_rtc.source, battery_rtc.error_ms

    def read(self):
        """Unix milliseconds, or None if nobody vouches for it."""
        if self._battery_rtc:
            return self._battery_rtc.read()
        if self._rtc.memory() != _GENUINE:
            return None
        return (time.time() + epoch_s(time.gmtime)) * 1000

    def set_system(self, t_unix_ms, genuine):
        """Set the clock that TLS looks at."""
        t = time.gmtime(t_unix_ms // 1000 - epoch_s(time.gmtime))
        self._rtc.datetime((t[0], t[1], t[2], t[6], t[3], t[4], t[5], t_unix_ms % 1000 * 1000))
        self._rtc.memory(_GENUINE if genuine else b"")

    def keep(self, t_unix_ms):
        """Authenticated time: set the clock with the battery, if there is one."""
        if self._battery_rtc:
            try:
                self._battery_rtc.write(t_unix_ms)
            except OSError as error:
                log.warn("clock", "battery", errno=error.args[0])


class NoWatchdog:
    """Safe mode: nobody is reset while a technician is at work."""

    def feed(self):
        """Nothing to feed."""


class Board:
    """What the application needs, on this board."""

    key_class = 1  # software

    def __init__(self, directory):
        self.store = NvsStore()
        self.reset_cause = _CAUSES.get(machine.reset_cause(), 0)
        self.ticks = time
        self.copies = BackedFiles(_reader(directory), self.store)
        self.read_file = self.copies.read
        self.rtc = self.flash = self.watchdog = self.link = self.element = None
        self.console = Stdin()

    def equip(self, config):
        """Take into use what the configuration decides, neither watchdog nor network."""
        found = esp32.Partition.find(esp32.Partition.TYPE_DATA, label="journal")
        if not found:
            raise ConfigError(
                "journal-partition",
                "expected a data partition `journal`, found none; write the partition table of "
                "this board (boards/, `meterseal provision`)",
            )
        self.flash = found[0]
        self.rtc = InternalRtc(_battery_rtc(config["clock"]))
        self.element = _element(config)

    def find_element(self, clock, address):
        """A secure element on the I2C pins of `clock`: see atecc608.find."""
        from agent.atecc608 import find

        return find(_i2c(clock), time.sleep_ms, address)

    def configure(self, config):
        """Take into use what the configuration decides."""
        self.equip(config)
        self.watchdog = machine.WDT(timeout=config["watchdog_s"] * 1000)
        self.link = Link(lambda: _interface(config["network"], config.secrets), sleep_ms)

    @property
    def image(self):
        """The partition for a whole image, or None where there is one app partition only."""
        from .esp32_image import open_image

        return open_image()

    def guard(self):
        """A watchdog for a version from afar, from before anything of it is looked at."""
        self.watchdog = machine.WDT(timeout=_TRIAL_MS)

    def random(self, count):
        """`count` random bytes for what need not be secret: jitter, questions, chain ids."""
        return os.urandom(count)

    def key_entropy(self, count):
        """`count` random bytes for keys; the radio is what makes the generator a true one."""
        wlan = network.WLAN(network.STA_IF)
        if not wlan.active():
            wlan.active(True)
            time.sleep_ms(_SETTLE_MS)
        return os.urandom(count)

    def open_uart(self, bus):
        """(UART, driver-enable pin or None) of an RTU bus."""
        uart = machine.UART(bus["uart"], tx=bus["tx_pin"], rx=bus["rx_pin"], rxbuf=512, timeout=0)
        de_pin = (
            machine.Pin(bus["de_pin"], machine.Pin.OUT, value=0) if bus["de_pin"] >= 0 else None
        )
        return uart, de_pin

    def tls_context(self, ca_der):
        """A client context that requires a certificate of this authority for the host's name."""
        import tls

        context = tls.SSLContext(tls.PROTOCOL_TLS_CLIENT)
        context.verify_mode = tls.CERT_REQUIRED  # type: ignore[attr-defined] # missing in the stub
        context.load_verify_locations(ca_der)
        return context

    def contact(self, pin):
        """A function that tells whether the cabinet's door is open; the contact closes to GND."""
        contact = machine.Pin(pin, machine.Pin.IN, machine.Pin.PULL_UP)
        return lambda: contact.value() == 1

    def contactor(self, pin):
        """A function that tells whether a contactor is closed; its feedback closes to GND."""
        contact = machine.Pin(pin, machine.Pin.IN, machine.Pin.PULL_UP)
        return lambda: contact.value() == 0

    def light(self, pin):
        """A function that switches the light at a pin."""
        return machine.Pin(pin, machine.Pin.OUT, value=0).value

    def safe_mode(self):
        """Whether the button is pressed in the first seconds: then no watchdog is ever started."""
        button = machine.Pin(
            safe_pin(sys.implementation._machine), machine.Pin.IN, machine.Pin.PULL_UP
        )
        for _ in range(_SAFE_MS // 50):
            if not button.value():
                return True
            time.sleep_ms(50)
        return False

    def attended(self):
        """Somebody broke in over the console. The watchdog cannot be stopped, and a timer that
        feeds it ends with the soft reset of a raw REPL: so it is given an hour. The next boot says
        why the station stood still.
        """
        keep_reset_reason(self.store, "interrupted over the console")
        if self.watchdog:
            machine.WDT(timeout=_ATTENDED_MS).feed()

    def pause_and_reset(self):
        """Nothing runs: wait, in case somebody wants to break in, and restart the chip."""
        for _ in range(_PAUSE_STEPS):
            if self.watchdog:
                self.watchdog.feed()
            time.sleep_ms(_STEP_MS)
        machine.reset()

    def health(self):
        """Largest free block of the system's heap, which TLS lives on, and the signal strength."""
        figures = {1: max([heap[2] for heap in esp32.idf_heap_info(esp32.HEAP_DATA)])}
        rssi_dbm = self.link.rssi_dbm() if self.link else None
        if rssi_dbm is not None:
            figures[4] = rssi_dbm
        return figures

    def reset(self, reason):
        """Restart the chip; the reason is in the store already."""
        machine.reset()


def _reader(directory):
    def read(name):
        with open(directory.rstrip("/") + "/" + name, "rb") as file:
            return file.read()

    return read


def _battery_rtc(clock):
    if clock["rtc"] != "ds3231":
        return None
    return Ds3231(_i2c(clock))


def _element(config):
    """The secure element, if there is to be one; it is not asked before there is work for it."""
    if config["secure_element"] == "none":
        return None
    from agent.atecc608 import Atecc608

    return Atecc608(_i2c(config["clock"]), time.sleep_ms)


def _i2c(clock):
    sda, scl = machine.Pin(clock["sda_pin"]), machine.Pin(clock["scl_pin"])
    return machine.I2C(0, sda=sda, scl=scl, freq=100000)  # not faster: see atecc608


def _interface(settings, secrets):
    network.hostname(settings["hostname"])
    if settings["kind"] == "wifi":
        wlan = network.WLAN(network.STA_IF)
        password = secrets["wifi_password"]
        return Wifi(wlan, settings["ssid"], password, settings["hostname"], sleep_ms)
    power = settings["lan_power_pin"]
    lan = network.LAN(  # type: ignore[call-arg] # the stub has another port's arguments
        mdc=machine.Pin(settings["lan_mdc_pin"]),
        mdio=machine.Pin(settings["lan_mdio_pin"]),
        power=machine.Pin(power) if power >= 0 else None,
        phy_type=network.PHY_LAN8720,
        phy_addr=settings["lan_phy_addr"],
    )
    return Lan(lan, sleep_ms)
