"""pymodbus servers around simulated meters: Modbus RTU on a pseudo-terminal, Modbus TCP on
loopback.

The server runs in its own thread with its own event loop, so that tests may be synchronous or not.
"""

import asyncio
import threading
import time
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pymodbus import FramerType
from pymodbus.pdu import ModbusPDU
from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.server.requesthandler import ServerRequestHandler

from meterseal.errors import ConfigurationError, EnvironmentProblem
from meterseal.sim.faults import Fault
from meterseal.sim.image import sim_device
from meterseal.sim.injector import Injector
from meterseal.sim.meter import SimulatedMeter
from meterseal.sim.pty_pair import PtyPair

_T = TypeVar("_T")
_START_TIMEOUT_S = 10
_FRAME_GAP_S = 0.05


class _Handler(ServerRequestHandler):
    """pymodbus request handler that forgets half a request after a gap, and lets faults loose on
    answers.
    """

    injector: Injector
    _last_byte_s = 0.0

    def datagram_received(self, data: bytes, addr: tuple[Any, ...] | None) -> None:
        now_s = time.monotonic()
        if self.injector.rtu and now_s - self._last_byte_s > _FRAME_GAP_S:
            self.recv_buffer = b""
        self._last_byte_s = now_s
        super().datagram_received(data, addr)

    def send(self, data: bytes, addr: tuple[Any, ...] | None = None) -> None:
        for delay_s, piece in self.injector.on_answer(data):
            self.loop.call_later(delay_s, super().send, piece, addr)


class MeterServer:
    """Serves one or more meters on one line until `stop`; also a context manager.

    `faults` strike its answers (`injector.counts` says how often); `turnaround_ms` delays each
    answer. Raises ConfigurationError `unit-id-shared`.
    """

    def __init__(
        self,
        meters: Sequence[SimulatedMeter],
        *,
        faults: Sequence[Fault] = (),
        seed: int = 1,
        turnaround_ms: int = 0,
    ) -> None:
        self.meters = {meter.unit_id: meter for meter in meters}
        if len(self.meters) < len(meters):
            raise ConfigurationError(
                "unit-id-shared",
                "expected meters with different unit ids on one line, found one id twice",
                "Name the ids: ID@UNIT.",
            )
        self.path: str | None = None
        self.port: int | None = None
        self.injector = Injector(meters, faults, seed=seed, turnaround_ms=turnaround_ms)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="meter-server", daemon=True)
        self._cable: PtyPair | None = None
        self._server: ModbusSerialServer | ModbusTcpServer | None = None

    def start_rtu(self, link: Path | None = None) -> "MeterServer":
        """Serve Modbus RTU; afterwards `path` is the pseudo-terminal that the bus master opens."""
        self._thread.start()
        self._cable = PtyPair(link)
        self.path = self._cable.device_path
        self._loop.call_soon_threadsafe(self._cable.connect, self._loop)
        self._call(self._serve_rtu(self._cable.server_path))
        return self

    def start_tcp(
        self, host: str = "127.0.0.1", port: int = 0, *, rtu_frames: bool = False
    ) -> "MeterServer":
        """Serve Modbus TCP, or RTU frames over TCP; afterwards `port` is the port."""
        self._thread.start()
        self.port = self._call(self._serve_tcp(host, port, rtu_frames))
        return self

    def stop(self) -> None:
        """Close everything; may be called twice."""
        if not self._thread.is_alive():
            return
        self._call(self._shutdown())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __enter__(self) -> "MeterServer":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _call(self, coroutine: Coroutine[Any, Any, _T]) -> _T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(_START_TIMEOUT_S)

    async def _serve_rtu(self, path: str) -> None:
        bus = next(iter(self.meters.values())).profile.bus
        server = ModbusSerialServer(
            self._devices(),
            framer=FramerType.RTU,
            port=path,
            baudrate=bus.baud,
            parity="N",  # a pseudo-terminal has no parity bit
            stopbits=1,
            trace_pdu=self._only_known_units,
        )
        await self._serve(server)

    async def _serve_tcp(self, host: str, port: int, rtu_frames: bool) -> int:
        server = ModbusTcpServer(
            self._devices(),
            framer=FramerType.RTU if rtu_frames else FramerType.SOCKET,
            address=(host, port),
            trace_pdu=self._only_known_units,
        )
        self.injector.rtu = rtu_frames
        await self._serve(server)
        return int(server.transport.sockets[0].getsockname()[1])  # type: ignore[attr-defined]

    async def _serve(self, server: ModbusSerialServer | ModbusTcpServer) -> None:
        def new_handler() -> _Handler:
            handler = _Handler(server, None, server.trace_pdu, None)  # type: ignore[no-untyped-call]
            handler.injector = self.injector
            return handler

        server.callback_new_connection = new_handler  # type: ignore[method-assign]
        try:
            await server.serve_forever(background=True)
        except RuntimeError as problem:
            raise EnvironmentProblem(
                "sim-listen",
                f"the simulated meter cannot listen: {problem}",
                "Choose another port, or port 0 for any free one.",
            ) from problem
        self._server = server

    async def _shutdown(self) -> None:
        if self._server is not None:
            await self._server.shutdown()  # type: ignore[no-untyped-call]
        if self._cable is not None:
            self._cable.close(self._loop)

    def _devices(self) -> list[Any]:
        return [sim_device(meter, self.injector.before_read) for meter in self.meters.values()]

    def _only_known_units(self, sending: bool, pdu: ModbusPDU) -> ModbusPDU:
        """A meter stays silent when another unit is asked; pymodbus takes None for «nothing
        received».
        """
        if not sending and pdu.dev_id not in self.meters:
            return None  # type: ignore[return-value]
        return pdu
