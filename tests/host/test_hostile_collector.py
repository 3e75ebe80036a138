"""Hostile clients against the real collector, behind real TLS: only declared errors, bounded
memory, and honest stations are served meanwhile.
"""

import contextlib
import os
import socket
from urllib.parse import urlsplit

import httpx
import psutil
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from support.collector_process import CollectorProcess
from support.fast_station import FastStation, trust_of

MIB = 1 << 20


@schemathesis.serializer("application/cbor-seq")
def as_it_is(_context, value):
    """A body is bytes."""
    return value if isinstance(value, bytes) else getattr(value, "data", str(value).encode())


CHECKS = (
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
)


@pytest.fixture(scope="module")
def stations():
    return [FastStation() for _ in range(4)]


@pytest.fixture(scope="module")
def collector(tmp_path_factory, stations):
    with CollectorProcess(tmp_path_factory.mktemp("collector"), trust_of(stations)) as running:
        yield running


@pytest.fixture
def client(collector):
    with httpx.Client(verify=collector.tls, base_url=collector.url, timeout=60) as client:
        yield client


def resident(collector):
    """Memory of the collector, MiB."""
    return psutil.Process(collector.process.pid).memory_info().rss / MIB


def is_served(client, station):
    """An honest station gets its acknowledgement."""
    answer = client.post("/v1/batches", content=station.seal())
    return answer.status_code == 200 and answer.json()["acks"][0]["number"] == station.number


def fuzz(collector, client, examples):
    """Requests made from the collector's own description; how many were sent."""
    schema = schemathesis.openapi.from_dict(client.get("/openapi.json").json())
    sent = 0
    for result in schema.get_all_operations():
        operation = result.ok()

        @settings(
            max_examples=examples,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def one(case):
            nonlocal sent
            sent += 1
            case.call_and_validate(
                base_url=collector.url,
                verify=str(collector.directory / "ca.pem"),
                checks=CHECKS,
            )

        one()
    return sent


def test_openapi_fuzz(collector, client, stations):
    sent = fuzz(collector, client, 10)
    print(f"\nschemathesis: {sent} requests, only declared answers")
    assert sent > 50 and is_served(client, stations[0])


@pytest.mark.long
def test_openapi_fuzz_long(collector, client, stations):
    sent = fuzz(collector, client, 300)
    print(f"\nschemathesis: {sent} requests, only declared answers")
    assert sent > 1000 and is_served(client, stations[0])


def flood(collector, head, pieces):
    """Send as much as the collector takes; what it answered and how much that was."""
    address = urlsplit(collector.url)
    raw = socket.create_connection((address.hostname, address.port), timeout=60)
    answer, sent = b"", 0
    with collector.tls.wrap_socket(raw, server_hostname="127.0.0.1") as stream:
        with contextlib.suppress(OSError):  # it has hung up, as it should
            stream.sendall(head)
            for piece in pieces:
                stream.sendall(piece)
                sent += len(piece)
        with contextlib.suppress(OSError):  # the reset came before the answer was read
            answer = stream.recv(4096)
    return answer, sent


HEAD = b"POST /v1/batches HTTP/1.1\r\nHost: c\r\nContent-Type: application/cbor-seq\r\n"


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_of_100_mb(collector, client, stations, chunked):
    before = resident(collector)
    piece = bytes(MIB)
    if chunked:
        head = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
        piece = b"%x\r\n%b\r\n" % (MIB, piece)
    else:
        head = HEAD + b"Content-Length: %d\r\n\r\n" % (100 * MIB)
    answer, sent = flood(collector, head, [piece] * 100)
    grown = resident(collector) - before
    print(f"\n100 MB, chunked {chunked}: {answer[9:12]}, {sent} bytes sent, {grown:.1f} MiB grown")
    assert answer[:12] in (b"HTTP/1.1 413", b"") and grown < 32
    assert is_served(client, stations[1])


def test_100_slow_clients_do_not_hold_up_an_honest_one(collector, client, stations):
    address = urlsplit(collector.url)
    slow = []
    before = resident(collector)
    for number in range(100):
        raw = socket.create_connection((address.hostname, address.port), timeout=60)
        stream = collector.tls.wrap_socket(raw, server_hostname="127.0.0.1")
        stream.sendall(
            HEAD[: 30 + number] if number % 2 else HEAD + b"Content-Length: 9\r\n\r\n\xd2"
        )
        slow.append(stream)
    assert all(is_served(client, stations[2]) for _ in range(10))
    grown = resident(collector) - before
    print(f"\n100 slow clients: {grown:.1f} MiB grown")
    assert grown < 64
    for stream in slow:
        stream.close()


@pytest.mark.parametrize(
    "body",
    [
        b"\x9b\x00\x00\x00\x01\x00\x00\x00\x00",
        b"\x9f" * 100_000,
        b"\x81" * 1_000_000,
        b"\xd2\x84" * 400_000,
        b"\x5b\x7f\xff\xff\xff\xff\xff\xff\xff",
        b"\xc2\x5a\x00\x0f\xff\xff" + b"\xff" * 1_000_000,
        b"\xd2\x84\x51\xa3\x01\x26\x03\x19\xfd\xe9\x04\x48" * 80_000,
    ],
    ids=["array-2^32", "indefinite", "deep", "tags", "string-2^63", "bignum", "openings"],
)
def test_bombs_are_refused_and_cost_nothing(collector, client, stations, body):
    before = resident(collector)
    answer = client.post("/v1/batches", content=body)
    assert answer.status_code == 200 and answer.json()["acks"] == []
    assert answer.json()["refused"] and resident(collector) - before < 32
    assert is_served(client, stations[3])


@pytest.mark.parametrize("piece", [b"X: y\r\n", b"z"], ids=["many", "long"])
def test_headers_of_100_mb(collector, client, stations, piece):
    before = resident(collector)
    head = b"GET /healthz HTTP/1.1\r\nX: "
    answer, sent = flood(collector, head, [piece * (MIB // len(piece))] * 100)
    print(f"\n100 MB of headers: {answer[9:12]}, {sent} bytes sent")
    assert answer[9:12] in (b"400", b"") and resident(collector) - before < 32
    assert is_served(client, stations[1])


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01" * 100,
        b"GET /none HTTP/1.1\r\n" + b"X: y\r\n" * 100_000 + b"\r\n",
        HEAD + b"Content-Length: -1\r\n\r\n",
        HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n123456",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST /v1/batches HTTP/9.9\r\n\r\n",
    ],
    ids=["noise", "headers", "negative", "two-lengths", "chunk", "version"],
)
def test_broken_http(collector, client, stations, request_bytes):
    answer, _ = flood(collector, request_bytes, [])
    assert answer[9:10] in (b"4", b""), answer
    assert is_served(client, stations[0])


def test_anonymous_garbage_does_not_fill_the_disk(tmp_path):
    """More than the quotas hold, from one address: limited, and the honest one is served."""
    station = FastStation()
    more = ("--quarantine-mib", "2")
    with (
        CollectorProcess(tmp_path, trust_of([station]), more=more) as running,
        httpx.Client(verify=running.tls, base_url=running.url, timeout=60) as anonymous,
    ):
        answers = [anonymous.post("/v1/batches", content=os.urandom(MIB - 99)) for _ in range(24)]
        codes = [answer.status_code for answer in answers]
        assert codes[0] == 200 and codes[-1] == 429 and answers[-1].headers["retry-after"]
        assert is_served(anonymous, station)
    held = sum(path.stat().st_size for path in running.data.iterdir())
    print(f"\n24 MiB of garbage: {codes.count(200)} taken, {held / MIB:.1f} MiB on disk")
    assert held < 8 * MIB
