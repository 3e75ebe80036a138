"""Everything that a network and a server can do wrong to a running station, one after the other.

One station on the real MicroPython VM meets each of them in turn. Each failure has its code in
the station's log, sampling never stops, nothing is accepted, and in the end a real collector gets
every batch.
"""

import re
import ssl
import time
import warnings
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import pytest
from meterseal import pki
from meterseal.demo.stage import Stage, open_stage, wait_until
from meterseal.trust import load_trust
from meterseal.verify import Standard, Verifier
from meterseal.verify.sources import pieces
from support.odd_server import OddServer, acknowledging, cut_in_handshake, reset, server_context

FAILED = re.compile(r"uplink failed code=(\S+)")
READING = re.compile(r"^debug journal reading sequence=(\d+) ")
ACKNOWLEDGED = re.compile(r"uplink acknowledged")
UPLINK = {"retry_min_s": 1, "retry_max_s": 1, "poll_interval_s": 2, "timeout_ms": 1500}


class Station:
    """A running station and what its log has said so far."""

    def __init__(self, stage: Stage, server: OddServer) -> None:
        self.stage = stage
        self.server = server
        self.codes: list[str] = []
        self.sequences: list[int] = []
        self.acknowledged = 0

    def look(self) -> None:
        """Take in what the log says."""
        assert self.stage.board is not None
        for line in self.stage.board.drain():
            self.codes += FAILED.findall(line)
            self.sequences += [int(found) for found in READING.findall(line)]
            self.acknowledged += len(ACKNOWLEDGED.findall(line))

    def expect(self, code: str) -> None:
        """Wait until the log names this code."""
        self.look()
        self.codes.clear()

        def seen() -> bool:
            self.look()
            return code in self.codes

        wait_until(f"{code}, found {self.codes}", seen, 30, self.stage.out / "station.log")


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    """A station whose collector is the odd server."""
    out = tmp_path_factory.mktemp("odd")
    server = OddServer()
    with open_stage(out / "stage") as stage:
        uplink = UPLINK | {"url": f"https://localhost:{server.port}"}
        stage.lay_out_station(stage.start_meter(), uplink=uplink, log_level="debug")
        stage.write_trust()
        stage.start_board()
        yield Station(stage, server)
    server.close()


def certificate(out: Path, names: list[str], **validity: int) -> ssl.SSLContext:
    """Context of a server whose authority the station does not know."""
    return context_of(out, pki.make_server(pki.make_authority("somebody else"), names, **validity))


def context_of(out: Path, server: pki.Authority) -> ssl.SSLContext:
    out.mkdir(exist_ok=True)
    pki.write_certificate(out, server)
    return server_context(out)


def old_tls(stage: Stage) -> ssl.SSLContext:
    """The right certificate, but nothing newer than TLS 1.0."""
    context = server_context(stage.out)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1
    return context


def refused_contexts(stage: Stage) -> dict[str, tuple[ssl.SSLContext | None, str]]:
    """Servers that the station must not talk to: context and code."""
    ours = stage.authority
    host = ["localhost"]
    out = stage.out

    def own(name: str, names: list[str], **validity: int) -> ssl.SSLContext:
        return context_of(out / name, pki.make_server(ours, names, **validity))

    return {
        "unknown authority": (certificate(out / "unknown", host), "tls-unknown-ca"),
        "self-signed": (
            context_of(out / "self", pki.make_authority("localhost")),
            "tls-unknown-ca",
        ),
        "expired": (own("old", host, days=2, age_days=10), "tls-expired"),
        "not yet valid": (own("new", host, age_days=-5), "tls-not-yet-valid"),
        "wrong host": (own("other", ["collector.example"]), "tls-host-name"),
        "TLS 1.0": (old_tls(stage), "tls-failed"),
        "plain HTTP": (None, "tls-failed"),
    }


REFUSED = (
    "unknown authority",
    "self-signed",
    "expired",
    "not yet valid",
    "wrong host",
    "TLS 1.0",
    "plain HTTP",
)


@pytest.mark.parametrize("name", REFUSED)
def test_no_byte_of_a_reading_goes_to_a_server_that_does_not_verify(
    station: Station, name: str
) -> None:
    context, code = refused_contexts(station.stage)[name]
    talk = station.server.request if context else plain_http
    station.server.behave(context, talk)  # type: ignore[arg-type]
    station.expect(code)
    assert station.server.read_bytes == 0
    assert station.server.connections > 0


def plain_http(link: ssl.SSLSocket) -> None:
    link.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


ODD: list[tuple[str, Callable[[Station], Callable[..., None]], str]] = [
    ("cut after the handshake", lambda s: lambda link: link.close(), "http-cut"),
    ("reset after the handshake", lambda s: reset, "http-cut"),
    ("reset in the request", lambda s: lambda link: (link.recv(64), reset(link)), "http-cut"),
    ("cut in the request", lambda s: lambda link: link.recv(64), "http-cut"),
    ("cut in the answer", lambda s: s.server.reply("HTTP/1.1 200 OK\r\nCont"), "http-cut"),
    ("500", lambda s: s.server.reply("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"),
     "http-status"),
    ("garbage", lambda s: s.server.reply("what?\r\n\r\n"), "http-malformed"),
    ("captive", lambda s: s.server.reply(page("<html>Log in</html>")), "answer-malformed"),
    ("endless", lambda s: s.server.reply("HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n"),
     "http-malformed"),
    ("nothing", lambda s: s.server.silent, "http-timeout"),
    ("never sent", lambda s: s.server.answer(s.stage.identity["device_id"], number=9999),
     "ack-none"),
    ("another chain", lambda s: s.server.answer(s.stage.identity["device_id"]), "ack-none"),
    ("another device", lambda s: s.server.answer("11" * 8), "ack-none"),
    ("a receipt beyond the limit",
     lambda s: s.server.answer("11" * 8, receipt=bytes(1025)), "ack-none"),
]  # fmt: skip


@pytest.mark.parametrize("end", [lambda link: link.close(), reset], ids=["closed", "reset"])
@pytest.mark.parametrize("most", [0, 0.01, 0.3, 0.6, 0.99, 1])
def test_cut_in_the_handshake_and_nothing_was_sent(
    station: Station, most: float, end: Callable[[object], None]
) -> None:
    """Before, within and behind the server's first flight: it is named, sampling goes on."""
    context = server_context(station.stage.out)
    station.server.behave(None, cut_in_handshake(context, most, end))  # type: ignore[arg-type]
    station.expect("http-cut")
    before = len(station.sequences)
    assert station.server.read_bytes == 0
    assert station.acknowledged == 0
    wait_until(
        "another reading", lambda: station.look() or len(station.sequences) > before, 30,
        station.stage.out / "station.log",
    )  # fmt: skip


def page(text: str) -> str:
    return f"HTTP/1.1 200 OK\r\nContent-Length: {len(text)}\r\n\r\n{text}"


@pytest.mark.parametrize(("name", "make", "code"), ODD, ids=[odd[0] for odd in ODD])
def test_an_odd_answer_changes_nothing(
    station: Station, name: str, make: Callable[[Station], Callable[..., None]], code: str
) -> None:
    station.server.behave(server_context(station.stage.out), make(station))
    station.expect(code)
    assert station.acknowledged == 0


def test_a_server_that_refuses_and_one_that_is_half_there(station: Station) -> None:
    station.server.close()
    station.expect("connect-failed")
    station.server.behave(None, lambda link: time.sleep(5))
    station.expect("http-timeout")
    station.server.behave(None, reset)  # type: ignore[arg-type]
    station.expect("http-cut")
    assert station.acknowledged == 0


def test_a_wrong_hash_frees_nothing(station: Station) -> None:
    chain = next(iter(chains_held(station)))
    talk = station.server.answer(station.stage.identity["device_id"], chain=chain, number=1)
    station.server.behave(server_context(station.stage.out), talk)
    station.expect("ack-hash")
    assert station.acknowledged == 0


def chains_held(station: Station) -> set[str]:
    """Chain ids in what the station sends."""
    bodies: list[bytes] = []

    def talk(link: ssl.SSLSocket) -> None:
        bodies.append(station.server.request(link))

    station.server.behave(server_context(station.stage.out), talk)
    wait_until("a request", lambda: bool(bodies and bodies[-1]), 30, station.stage.out)
    verifier = Verifier(trust=load_trust(station.stage.trust_file), policy=Standard())
    found = [verifier.authenticate(raw) for _, raw in pieces(BytesIO(bodies[-1]))]
    return {batch.contents.chain.hex() for batch in found}


STRANGE_RECEIPTS = (bytes(1025), bytes(1), b"\xd2" * 3000)


def test_a_strange_receipt_with_a_true_acknowledgement_spoils_no_batch(station: Station) -> None:
    """What it would spoil, the last test finds: every batch from here on links and verifies."""
    left = list(STRANGE_RECEIPTS)
    device = station.stage.identity["device_id"]
    verifier = Verifier(trust=load_trust(station.stage.trust_file), policy=Standard())

    def talk(link: ssl.SSLSocket) -> None:
        sent = [
            verifier.authenticate(raw) for _, raw in pieces(BytesIO(station.server.request(link)))
        ]
        if not sent or not left:
            return
        last = sent[-1]
        named = {"chain": last.contents.chain.hex(), "number": last.contents.number}
        answer = acknowledging(device, left.pop(), hash=last.hash.hex(), **named)
        link.sendall(answer.encode())

    station.server.behave(server_context(station.stage.out), talk)

    def all_given() -> bool:
        station.look()
        return not left and station.acknowledged >= len(STRANGE_RECEIPTS)

    wait_until("acknowledgements", all_given, 60, station.stage.out / "station.log")
    before = max(station.sequences)

    def sealed_since() -> bool:
        station.look()
        return max(station.sequences) > before + 4

    wait_until("a batch that could state one", sealed_since, 30, station.stage.out)


def test_after_all_that_a_real_collector_gets_everything(station: Station) -> None:
    station.server.close()
    stage = station.stage
    stage.start_collector(station.server.port)
    station.look()
    wanted = max(station.sequences)
    verifier = Verifier(trust=load_trust(stage.trust_file), policy=Standard())

    def everything() -> bool:
        station.look()
        return station.acknowledged > 0 and stage.head_number() * 4 >= wanted

    wait_until("everything at the collector", everything, 40, stage.out / "station.log")
    batches = [verifier.verify(raw) for _, raw in pieces(BytesIO(stage.get("/v1/export").content))]
    sealed = [int(s) for batch in batches for group in batch.groups for s in group.sequence]
    assert sealed == list(range(1, len(sealed) + 1))
    assert sorted(station.sequences) == list(range(1, max(station.sequences) + 1))
