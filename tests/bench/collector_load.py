"""Load for the collector: many stations with keys of their own, over kept-alive TLS.

Everything is signed beforehand. A connection sends its next request as soon as the last one is
answered, as a station does; every answer is checked afterwards: status, acknowledgement, hash.
"""

import asyncio
import json
import resource
import ssl
import time
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from support.fast_station import FastStation

try:
    import uvloop

    run = uvloop.run
except ImportError:
    run = asyncio.run

CONNECTIONS = 200


class Request(NamedTuple):
    """A request ready to be sent, and the acknowledgement that it has to get."""

    data: bytes
    batches: int
    number: int
    hash: str


class Result(NamedTuple):
    """What a run of the generator took."""

    seconds: float
    batches: int
    requests: int
    own_cpu_s: float


def prepare(stations: int, batches: int, per_request: int) -> tuple[list[FastStation], list]:
    """Stations and, for each, its requests of `per_request` batches, in order."""
    made, loads = [], []
    for _ in range(stations):
        station = FastStation()
        made.append(station)
        loads.append(
            [request(station, station.seals(per_request)) for _ in range(batches // per_request)]
        )
    return made, loads


def request(station: FastStation, batches: list[bytes]) -> Request:
    """POST of some batches that the station sealed just now."""
    body = b"".join(batches)
    head = (
        f"POST /v1/batches HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/cbor-seq\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return Request(head.encode() + body, len(batches), station.number, station.head.hex())


class Sender(asyncio.Protocol):
    """One kept-alive connection."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self._buffer = b""
        self._answer: asyncio.Future[bytes] | None = None

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self._buffer += data
        head, separator, rest = self._buffer.partition(b"\r\n\r\n")
        if not separator:
            return
        length = int(head.lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        if len(rest) >= length and self._answer is not None:
            self._buffer = rest[length:]
            self._answer.set_result(head[9:12] + rest[:length])

    def connection_lost(self, exc):
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(exc or ConnectionResetError("closed by the collector"))

    async def send(self, request: Request) -> bytes:
        """Status and body of the answer."""
        self._answer = asyncio.get_running_loop().create_future()
        self.transport.write(request.data)
        return await self._answer


async def drive(url: str, tls: ssl.SSLContext, loads: list[list[Request]]) -> Result:
    """Send everything; each station's requests in order, stations spread over connections."""
    loop = asyncio.get_running_loop()
    host, port = urlsplit(url).hostname, urlsplit(url).port
    senders = [
        (await loop.create_connection(Sender, host, port, ssl=tls))[1] for _ in range(CONNECTIONS)
    ]
    answers: list[tuple[Request, bytes]] = []
    rounds = iter([one for step in zip(*loads, strict=True) for one in step])
    # A station's next request must not overtake its last one: there are far more stations than
    # connections, and requests are taken in turn.

    async def work(sender: Sender) -> None:
        for one in rounds:
            answers.append((one, await sender.send(one)))

    cpu, start = own_cpu_s(), time.perf_counter()
    await asyncio.gather(*map(work, senders))
    seconds, cpu = time.perf_counter() - start, own_cpu_s() - cpu
    for sender in senders:
        sender.transport.abort()
    for one, answer in answers:
        check(one, answer)
    return Result(seconds, sum(one.batches for one, _ in answers), len(answers), cpu)


def check(request: Request, answer: bytes) -> None:
    """Raises AssertionError unless this is the acknowledgement, with a receipt."""
    assert answer[:3] == b"200", answer
    found = json.loads(answer[3:])
    assert len(found["acks"]) == 1 and found["receipt"], found
    ack = found["acks"][0]
    assert (ack["number"], ack["hash"]) == (request.number, request.hash), (found, request[1:])


def own_cpu_s() -> float:
    """CPU time that this process used."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def cpu_s_of(pids: list[int]) -> float:
    """CPU time that other processes used (Linux)."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / 100
