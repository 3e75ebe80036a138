"""The station: wires meters, journal, sealer and uplink, and runs them under the supervisor.

`board` (a port) brings the hardware: `store`, `flash`, `rtc`, `ticks`, `watchdog`, `reset_cause`,
`read_file(name)`, `random(n)`, `open_uart(bus)`, `tls_context(ca_der)`, `reset(reason)`,
`network_up()`. Must never touch hardware itself, and never let the network decide whether meters
are read.
"""

import gc
import socket

from . import forget, log
from .boots import Boots
from .changes import Changes
from .clock import Clock, Floor
from .constant import const
from .journal import Journal
from .keystore import Keystore
from .modbus.timing import Timing
from .recorder import Recorder
from .resolver import Resolver
from .supervisor import Supervisor
from .version import BUILD_UNIX_S, VERSION

_HEALTH = const(16)
_RECEIPT = const(19)
_NONCES = const(21)
_LOOK_UP_MS = const(15000)  # what a resolver may take
_IDLE_STEP_MS = const(100)
_MOST_WAIT_MS = const(60000)
_NTP_TIMEOUT_MS = const(3000)
_DAY_MS = const(86400000)
_DAY_S = const(86400)
_LIVED_MS = const(300000)  # a boot that lives so long is no part of a brown-out loop


class App:
    """Everything that runs on one station; `await run()` never returns.

    `profiles`: see station_profiles. `timing`: the event loop's time, see modbus.timing; tests
    bring a simulated one.
    """

    def __init__(self, board, config, profiles, timing=None):
        from . import assembly  # only now: see forget

        self.board = board
        self.timing = timing or Timing()
        self.config = config
        self._certified_day = 0
        self.nonces = None  # [[nonce, boot, mono_ms]] that the next batch answers
        log.configure(log.level_named(config["log_level"]))
        changes = Changes(board.store, config.hash_8, VERSION)
        self.boots = Boots(board.store, board.reset_cause, changes)
        self.keystore = Keystore.load(board.store)
        self.signer = self.keystore.signer(getattr(board, "element", None))
        floor = Floor(board.store, BUILD_UNIX_S)
        self.clock = Clock(self.boots.boot, board.ticks, board.rtc, floor)
        self.journal = Journal(board.flash, config["journal"])
        self.sealer = assembly.sealer(self, profiles)
        self.recorder = Recorder(self.journal, self.clock, self.boots, self._written)
        self.meters = assembly.meters(self, profiles)
        forget.modules("station_meters", "profile_plan", "journal_recovery", "p256_source")
        forget.modules("profile_model")
        self.resolver = Resolver(self.bus_idle)
        self.uplink = assembly.uplink(self)
        self.seal_task = assembly.seal_task(self)
        self.sessions = assembly.sessions(self)
        self.supervisor = Supervisor(
            self.clock.mono_ms,
            board.watchdog.feed,
            self.recorder.event,
            self.reset,
            self.timing.sleep_ms,
        )

    async def run(self):
        """Start the clock, then every task; the supervisor sees to the rest."""
        self.clock.on_set = self.recorder.clock_set
        self.clock.start()
        log.info("app", "start", boot=self.boots.boot, version=VERSION)
        self.meters.between = self._between_polls
        self.meters.first_after_ms = 1000 * self.boots.first_poll_s(self.config["read_interval_s"])
        from . import tasks

        tasks.add(self)
        del tasks
        forget.modules("tasks")
        await self.supervisor.run()

    async def bus_idle(self):
        """Returns when there is time for a name look-up before the next poll, if there ever is."""
        wanted_ms = min(_LOOK_UP_MS, self.meters.interval_ms // 2)
        for _ in range(min(2 * self.meters.interval_ms, _MOST_WAIT_MS) // _IDLE_STEP_MS):
            await self.timing.sleep_ms(_IDLE_STEP_MS)  # once at least: the watchdog is fed
            self.uplink.check_in()  # for whom the name is looked up
            if self.meters.idle_ms() >= wanted_ms:
                return

    async def run_meters(self, check_in):
        """The meters' task, for the supervisor."""
        self.meters.check_in = check_in
        await self.meters.run()

    async def query_ntp(self):
        """(t_unix_ms, error_ms) of the time server: a candidate, never more."""
        from . import sntp

        host = self.config["clock"]["ntp_host"]
        ip = await self.resolver.address(host, sntp.PORT)
        self.resolver.forget(host)  # a pool: another server each time
        address = socket.getaddrinfo(ip, sntp.PORT)[0][-1]
        return await sntp.query(address, self.board.random, self.clock.mono_ms, _NTP_TIMEOUT_MS)

    def _written(self, reading):
        self.sealer.noted()
        log.debug("journal", "reading", sequence=reading.sequence, status=reading.status)
        if self.sessions:
            self.sessions.on_reading(reading)

    def _between_polls(self):
        if self.clock.mono_ms() >= _LIVED_MS:
            self.boots.lived()
        self.seal_task.between_polls()

    def on_sealed(self):
        gc.collect()
        if self.uplink:
            self.uplink.receipts.sealed(self.sealer.number)
            self.uplink.wake()
            day = (self.clock.utc_ms() or 0) // _DAY_MS
            if day != self._certified_day:  # once a day, as soon as the time is known
                self._certified_day = day
                from . import certificate

                certificate.look(self, day * _DAY_S)
                del certificate
                forget.modules("certificate")

    def others(self):
        """Wire fields that the sealer does not know: health, the collector's receipt."""
        figures = self.journal.health()
        health = {
            0: gc.mem_free() if hasattr(gc, "mem_free") else 0,
            2: figures["fill_permille"],
            3: self.meters.health(),
            5: figures["erased"],
            7: figures["waiting"],
        }
        if figures["bad_sectors"]:
            health[6] = len(figures["bad_sectors"])
        health.update(self.board.health())
        fields = {_HEALTH: health}
        receipt = self.uplink and self.uplink.receipts.offer(self.sealer.number + 1)
        if receipt:
            fields[_RECEIPT] = receipt
        if self.nonces:
            fields[_NONCES] = self.nonces
        return fields

    def reset(self, reason):
        """The last resort; the next boot reports why."""
        log.error("app", "reset", reason=reason)
        self.boots.keep_reset_reason(reason)
        self.board.reset(reason)
