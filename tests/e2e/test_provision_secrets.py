"""Nothing secret leaves the device: every byte of its cable and every file it makes, searched."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from meterseal import pki, trust_write
from meterseal.demo.processes import Child, meterseal
from meterseal.demo.stage import wait_until
from meterseal.onsite import inspect
from meterseal.onsite.cable import open_cable
from support.provisioning import PASSWORD, bench, files_of
from support.tls_tap import TlsTap

KEY_AT, KEY_LEN = 2, 32  # of the blob `keystore` (firmware/agent/keystore.py)


def forms(secret: bytes) -> dict[str, bytes]:
    """A secret as it might be written."""
    found = {}
    for name, data in (("", secret), ("reversed ", secret[::-1])):
        numbers = [str(one) for one in data]
        found |= {
            name + "raw": data,
            name + "hex": data.hex().encode(),
            name + "HEX": data.hex().upper().encode(),
            name + "list": ", ".join(numbers).encode(),
            name + "short list": ",".join(numbers).encode(),
            name + "escaped": "".join(f"\\x{one:02x}" for one in data).encode(),
        }
        for shift in range(3):  # wherever it begins in a longer text
            text = base64.b64encode(bytes(shift) + data)[4 if shift else 0 : -4]
            found[f"{name}base64 {shift}"] = text
            found[f"{name}base64url {shift}"] = text.replace(b"+", b"-").replace(b"/", b"_")
    return found


def leaks(haystack: bytes, secrets: dict[str, bytes]) -> list[str]:
    return [
        f"{name}, {form}"
        for name, secret in secrets.items()
        for form, text in forms(secret).items()
        if text in haystack
    ]


def test_the_search_finds_what_is_there() -> None:
    secret = bytes(range(100, 132))
    for form, text in forms(secret).items():
        assert leaks(b"log " + text + b" end", {"key": secret}), form
    for shift in range(3):
        hidden = base64.b64encode(bytes(range(shift)) + secret + b"tail")
        assert leaks(hidden, {"key": secret}), shift


@contextmanager
def collecting(folder: Path) -> Iterator[TlsTap]:
    """A collector that knows nobody yet, behind a tap on its TLS."""
    pki.write_server_files(folder, ["localhost", "127.0.0.1"])
    (folder / "trust.json").write_bytes(
        trust_write.sign([], ec.generate_private_key(ec.SECP256R1()))
    )
    options = ["--data", str(folder / "collector"), "--port", "0", "--json"]
    options += ["--cert", str(folder / "server.pem"), "--key", str(folder / "server.key")]
    options += ["--trust", str(folder / "trust.json")]
    child = Child("collector", meterseal("collect", *options), folder / "collector.log")
    try:
        port = int(str(child.ready()["url"]).rpartition(":")[2])
        files = folder / "server.pem", folder / "server.key", folder / "ca.pem"
        with TlsTap(*files, port) as tap:
            yield tap
    finally:
        child.stop()


@pytest.mark.long
def test_no_secret_leaves_the_device(tmp_path: Path) -> None:
    with bench(tmp_path) as made, collecting(tmp_path) as tap:
        made.connect(f"https://localhost:{tap.port}", tmp_path / "ca.der")
        done = made.run()
        assert done.returncode == 0, done.stderr
        cable = open_cable(str(made.port))
        said = repr((inspect.state(cable), inspect.last_lines(cable), inspect.pull(cable)))
        wait_until("requests", lambda: len(tap.sent) > 2000, 60, tmp_path / "board.log")
    blob = (tmp_path / "board" / "state" / "keystore").read_bytes()
    private = blob[KEY_AT : KEY_AT + KEY_LEN]
    secrets = {"private key": private, "Wi-Fi password": PASSWORD.encode()}
    assert PASSWORD.encode() in (tmp_path / "board" / "vfs.bin").read_bytes()  # it was written
    left = {"cable": made.tap.read_bytes(), "answers": said.encode()}
    left |= {"output": (done.stdout + done.stderr).encode()}
    left |= {str(path): path.read_bytes() for path in files_of(made.out)}
    left |= {"registry": made.registry.read_bytes()}
    left |= {"sent to the collector": bytes(tap.sent), "its answers": bytes(tap.answered)}
    left |= {str(path): path.read_bytes() for path in files_of(tmp_path / "collector")}
    found = {place: leaks(data, secrets) for place, data in left.items()}
    total = sum(map(len, left.values()))
    print(f"{total} bytes of {len(left)} places, {len(forms(private))} forms of 2 secrets")
    assert b"POST /v1/batches" in left["sent to the collector"]
    assert len(left["cable"]) > 5000 and not any(found.values()), found
