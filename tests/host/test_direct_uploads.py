"""The shortest way of an upload: which requests take it, and that answers keep their order."""

import json
import socket
import time
from urllib.parse import urlsplit

import pytest
from meterseal.collector.body import MAX_BODY_BYTES
from meterseal.collector.direct import MAX_DIRECT_HEAD_LEN, body_len, plain_body
from support.collector_process import CollectorProcess
from support.fast_station import FastStation, trust_of

LINE = b"POST /v1/batches HTTP/1.1\r\n"
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"


def head(*fields: bytes) -> bytes:
    return LINE + b"\r\n".join(fields)


def upload(body: bytes, *fields: bytes) -> bytes:
    return head(b"Host: a", b"Content-Length: %d" % len(body), *fields) + b"\r\n\r\n" + body


@pytest.mark.parametrize(
    "fields",
    [
        (b"Host: a",),
        (b"Content-Length: 3", b"Content-Length: 3"),
        (b"Content-Length: 3", b"content-length: 4"),
        (b"Content-Length: +3",),
        (b"Content-Length: 3, 3",),
        (b"Content-Length: 0x3",),
        (b"Content-Length:",),
        (b"Content-Length: %d" % (MAX_BODY_BYTES + 1),),
        (b"Content-Length: 3", b"Transfer-Encoding: chunked"),
        (b"Content-Length: 3", b"Content-Encoding: gzip"),
        (b"Content-Length: 3", b"Connection: close"),
        (b"Content-Length: 3", b"Expect: 100-continue"),
        (b"Content-Length: 3", b"Authorization: Bearer a"),
        (b"Content-Length: 3", b" folded"),
        (b"Content-Length : 3",),
        (b"Content-Length: 3", b"Host: \x00"),
        (b"Content-Length: 3", b"Host: a\nb"),
        (b"Content-Length: 3", b""),
    ],
)
def test_other_heads_take_the_long_way(fields: tuple[bytes, ...]) -> None:
    assert body_len(head(*fields)) == -1
    assert plain_body(head(*fields) + b"\r\n\r\nabc") is None


def test_a_whole_plain_upload_is_taken() -> None:
    data = upload(b"abc", b"content-type: application/cbor-seq", b"User-Agent: a", b"Accept: */*")
    assert plain_body(data) == b"abc"
    for other in (data[:-1], data + b"a", data.replace(b"batches", b"head"), data[1:], b"", LINE):
        assert plain_body(other) is None
    long = upload(b"abc", b"User-Agent: " + b"a" * MAX_DIRECT_HEAD_LEN)
    assert plain_body(long) is None


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    station = FastStation()
    with CollectorProcess(tmp_path_factory.mktemp("direct"), trust_of([station])) as collector:
        yield collector, station


def connect(collector: CollectorProcess) -> socket.socket:
    address = urlsplit(collector.url)
    plain = socket.create_connection((address.hostname, address.port), timeout=20)
    return collector.tls.wrap_socket(plain, server_hostname=address.hostname)


@pytest.fixture
def line(bench):
    with connect(bench[0]) as secured:
        yield secured


def answers(line: socket.socket, count: int) -> list[tuple[bytes, dict]]:
    """Status and JSON of the next answers on a connection."""
    found, data = [], b""
    while len(found) < count:
        start, separator, rest = data.partition(b"\r\n\r\n")
        length = None
        if separator:
            length = int(start.lower().split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        if length is None or len(rest) < length:
            more = line.recv(65536)
            assert more, f"closed after {len(found)} answers"
            data += more
            continue
        found.append((start[9:12], json.loads(rest[:length])))
        data = rest[length:]
    return found


def number_of(answer: tuple[bytes, dict]) -> int:
    assert answer[0] == b"200", answer
    return answer[1]["acks"][0]["number"]


def test_answers_keep_their_order_whatever_way_a_request_goes(bench, line) -> None:
    _, station = bench
    first, second, third = (upload(station.seal()) for _ in range(3))
    start = station.number - 3
    line.sendall(first)
    line.sendall(HEALTH + second)  # behind something in hand; and two in one piece
    line.sendall(third + HEALTH)
    found = answers(line, 5)
    assert [number_of(found[place]) for place in (0, 2, 3)] == [start + 1, start + 2, start + 3]
    assert [found[place][1] for place in (1, 4)] == [{"status": "ok"}] * 2


def test_a_request_in_pieces_and_one_in_a_piece_on_one_connection(bench, line) -> None:
    _, station = bench
    whole, pieces = upload(station.seal()), upload(station.seal())
    line.sendall(whole)
    assert number_of(answers(line, 1)[0]) == station.number - 1
    for cut in (pieces[:20], pieces[20:90], pieces[90:]):
        line.sendall(cut)
        time.sleep(0.05)
    assert number_of(answers(line, 1)[0]) == station.number
    line.sendall(upload(station.seal()))
    assert number_of(answers(line, 1)[0]) == station.number


def test_what_closes_the_connection_closes_it(bench, line) -> None:
    _, station = bench
    line.sendall(upload(station.seal(), b"Connection: close"))
    assert number_of(answers(line, 1)[0]) == station.number
    assert line.recv(1) == b""


def test_refused_bytes_are_answered_and_kept_apart(line) -> None:
    line.sendall(upload(b"abc"))
    ((status, found),) = answers(line, 1)
    assert status == b"200" and found["refused"] == ["cose-tag"] and not found["acks"]


def test_what_is_in_hand_at_the_end_is_answered(tmp_path) -> None:
    station = FastStation()
    with CollectorProcess(tmp_path, trust_of([station])) as collector, connect(collector) as line:
        line.sendall(HEALTH)
        answers(line, 1)
        line.sendall(upload(station.seal()))
        assert collector.stop() == 0
        assert number_of(answers(line, 1)[0]) == 1
