"""Clients that only hold connections open do not keep stations out."""

import contextlib
import socket
import ssl
import time
from urllib.parse import urlsplit

import httpx
import psutil
import pytest
from cryptography.hazmat.primitives import serialization
from meterseal.collector.serve import Settings, prepare
from meterseal.errors import EnvironmentProblem
from meterseal.pki import client_context, make_authority, make_server, write_certificate
from support.collector_process import CollectorProcess
from support.fast_station import FastStation, trust_of

HEAD = b"POST /v1/batches HTTP/1.1\r\nHost: c\r\nContent-Type: application/cbor-seq\r\n"
FEW_FILES = "import resource; resource.setrlimit(resource.RLIMIT_NOFILE, (300, 300));"
# which leaves 100 connections
WAYS = {
    "no-handshake": None,
    "silent": b"",
    "in-its-head": HEAD,
    "in-its-body": HEAD + b"Content-Length: 99\r\n\r\n\xd2",
    "between-requests": b"GET /healthz HTTP/1.1\r\nHost: c\r\n\r\n",
}


def connect(collector, source, way, buffer_len=0):
    """A connection from an address of this machine; None if it was refused."""
    address = urlsplit(collector.url)
    plain = socket.socket()
    if buffer_len:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_len)
    plain.settimeout(20)
    plain.bind((source, 0))
    plain.connect((address.hostname, address.port))
    if way is None:
        return plain
    try:
        held = collector.tls.wrap_socket(plain, server_hostname="127.0.0.1")
        held.sendall(way)
    except OSError:
        plain.close()
        return None
    return held


def is_served(collector, station, source="127.0.0.1"):
    """A station that connects anew for each upload, as most do."""
    way = httpx.HTTPTransport(verify=collector.tls, local_address=source)
    with httpx.Client(transport=way, base_url=collector.url, timeout=30) as client:
        answer = client.post("/v1/batches", content=station.seal())
    return answer.status_code == 200 and answer.json()["acks"][0]["number"] == station.number


def is_answered(held):
    """Whether the answer to `between-requests` comes."""
    data = b""
    while not data.endswith(b"}"):
        more = held.recv(4096)
        if not more:
            return False
        data += more
    return b" 200 " in data


def is_cut_off(collector, held):
    """Whether the collector ends a connection within a minute; nothing of it is read meanwhile."""
    process = psutil.Process(collector.process.pid)
    for _ in range(600):
        peers = {one.raddr and one.raddr[1] for one in process.net_connections("tcp")}
        if held.getsockname()[1] not in peers:
            return True
        time.sleep(0.1)
    return False


def ends(held):
    """Whether the collector closes a connection, within a minute."""
    held.settimeout(60)
    with contextlib.suppress(ssl.SSLError, ConnectionError):
        return held.recv(1) == b""
    return True


@pytest.fixture(scope="module")
def collector(tmp_path_factory):
    station = FastStation()
    place = tmp_path_factory.mktemp("door")
    with CollectorProcess(place, trust_of([station]), before=FEW_FILES) as running:
        yield running, station


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_more_clients_than_places_from_many_addresses(collector, way):
    running, station = collector
    held = []
    for number in range(160):
        held.append(connect(running, f"127.0.1.{number % 40 + 1}", way))
        if number % 20 == 19:
            assert is_served(running, station), number
    assert all(is_served(running, station) for _ in range(5))
    for one in held:
        if one is not None:
            one.close()


@pytest.mark.parametrize("source", ["127.0.2.1", "127.0.2.2"], ids=["behind-it", "elsewhere"])
def test_one_address_does_not_take_all_places(collector, source):
    """Stations are served, those too that have the same address (a carrier's)."""
    running, station = collector
    held = []
    for number in range(80):
        held.append(connect(running, "127.0.2.1", b""))
        if number % 20 == 19:
            assert is_served(running, station, source), number
    process = psutil.Process(running.process.pid)
    open_ones = [
        one for one in process.net_connections("tcp") if one.raddr and one.raddr[0] == "127.0.2.1"
    ]
    assert len(open_ones) <= 50  # half of 100
    for one in held:
        if one is not None:
            one.close()


def test_heads_and_handshakes_have_to_come_in_time(tmp_path):
    before = (
        "import meterseal.collector.bounded as b, meterseal.collector.door as d;"
        "b.HEAD_S = 0.7; d.HANDSHAKE_S = 0.7;"
    )
    station = FastStation()
    with CollectorProcess(tmp_path, trust_of([station]), before=before) as running:
        held = [connect(running, "127.0.0.1", way) for way in (None, b"", HEAD)]
        later = connect(running, "127.0.0.1", WAYS["between-requests"])
        assert is_answered(later)
        time.sleep(1.5)
        later.sendall(WAYS["between-requests"])  # idle between requests is another matter
        assert is_answered(later)
        later.sendall(b"GET /he")
        assert all(ends(one) for one in [*held, later])
        assert is_served(running, station)


SMALL_BUFFERS = """
import socket, meterseal.collector.bounded, meterseal.collector.serve as serve
def listen(*arguments, before=serve.listen, **named):
    listener = before(*arguments, **named)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    return listener
serve.listen = listen
meterseal.collector.bounded.UNREAD_S = 1.0
meterseal.collector.bounded.UNREAD_LEN = 4096
"""


def test_answers_have_to_be_read(tmp_path):
    """Who sends and reads nothing is cut off before answers fill memory, or hold a download."""
    station = FastStation()
    upload = b"POST /v1/batches HTTP/1.1\r\nHost: c\r\nContent-Length: 1\r\n\r\nx"
    with CollectorProcess(tmp_path, trust_of([station]), before=SMALL_BUFFERS) as running:
        for _ in range(2):
            with httpx.Client(verify=running.tls, base_url=running.url, timeout=60) as client:
                client.post("/v1/batches", content=b"".join(station.seals(500)))
        download = connect(running, "127.0.0.1", b"GET /v1/export HTTP/1.1\r\nHost: c\r\n\r\n")
        held = connect(running, "127.0.0.1", b"", buffer_len=4096)
        sent = 0
        with contextlib.suppress(OSError):  # it was cut off while it sent
            for _ in range(1500):
                held.sendall(upload)
                sent += 1
                time.sleep(0.001)
        assert sent and is_cut_off(running, held) and is_cut_off(running, download)
        assert is_served(running, station)


def test_mutual_tls_lets_in_only_clients_of_its_authority(tmp_path):
    station = FastStation()
    for name in ("mine", "other"):
        authority = make_authority(name)
        pem = authority.certificate.public_bytes(serialization.Encoding.PEM)
        (tmp_path / f"{name}.pem").write_bytes(pem)
        (tmp_path / name).mkdir()
        write_certificate(tmp_path / name, make_server(authority, ["station-1"]))
    more = ("--client-ca", tmp_path / "mine.pem")
    with CollectorProcess(tmp_path, trust_of([station]), 2, more=more) as running:

        def served(name):
            tls = client_context(tmp_path / "ca.pem")
            if name:
                tls.load_cert_chain(tmp_path / name / "server.pem", tmp_path / name / "server.key")
            with httpx.Client(verify=tls, base_url=running.url, timeout=30) as client:
                answer = client.post("/v1/batches", content=station.seal())
            return answer.json()["acks"][0]["number"] == station.number

        assert served("mine")
        for name in ("", "other"):
            with pytest.raises(httpx.TransportError):
                served(name)
    with pytest.raises(EnvironmentProblem) as refused:
        none = tmp_path / "none.pem"
        prepare(Settings(tmp_path, none, none, none, "::1", 0, "", client_ca=none))
    assert refused.value.code == "collector-client-ca"
