"""Nothing secret leaves the device: every byte of its cable and every file it makes, searched."""

import base64
import json
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from meterseal import pki, trust_write
from meterseal.collector.registry_database import open_registry
from meterseal.demo.processes import Child, meterseal
from meterseal.demo.stage import wait_until
from meterseal.onsite import inspect
from meterseal.onsite.cable import open_cable
from meterseal.registry.export import export
from support.provisioning import PASSWORD, bench, files_of
from support.secret_search import leaks
from support.tls_tap import TlsTap

KEY_AT, KEY_LEN = 2, 32  # of the blob `keystore` (firmware/agent/keystore.py)
PSEUDONYM_KEY = "8f3a-Kep-crab-market-at-dawn"


def forms(secret: bytes) -> dict[str, bytes]:
    """A secret as it might be written."""
    words = b"".join(secret[at : at + 4][::-1] for at in range(0, len(secret), 4))
    return {
        "raw": secret,
        "reversed": secret[::-1],
        "words swapped": words,
        "half": secret[len(secret) // 2 :],
        "repr": repr(secret).encode(),
        "repr of bytearray": repr(bytearray(secret)).encode(),
        "repr in JSON": json.dumps(repr(secret)).encode(),
        "JSON of latin-1": json.dumps(secret.decode("latin-1")).encode(),
        "latin-1 as UTF-8": secret.decode("latin-1").encode(),
        "utf-16": b"".join(bytes([one, 0]) for one in secret),
        "hex": secret.hex().encode(),
        "HEX": secret.hex().upper().encode(),
        "half hex": secret[:16].hex().encode(),
        "hex with spaces": secret.hex(" ").encode(),
        "hex with colons": secret.hex(":").encode(),
        "hex in lines": secret.hex("\n", 4).encode(),
        "hex list": ", ".join(f"0x{one:02x}" for one in secret).encode(),
        "hex, words swapped": words.hex().encode(),
        "list": str(list(secret)).encode(),
        "short list": ",".join(map(str, secret)).encode(),
        "integer": str(int.from_bytes(secret, "big")).encode(),
        "little-endian integer": str(int.from_bytes(secret, "little")).encode(),
        "base64": base64.b64encode(secret),
        "base64 behind two bytes": base64.b64encode(b"ab" + secret),
        "base64url": base64.urlsafe_b64encode(secret),
        "base64 in lines": base64.encodebytes(secret * 3),
        "base32": base64.b32encode(secret),
        "url": "".join(f"%{one:02X}" for one in secret).encode(),
        "escaped": "".join(f"\\x{one:02x}" for one in secret).encode(),
        "zlib": zlib.compress(secret),
    }


@pytest.mark.parametrize("secret", [bytes(range(100, 132)), bytes(range(1, 256, 8))])
def test_the_search_finds_what_is_there_and_nothing_else(secret: bytes) -> None:
    for form, text in forms(secret).items():
        assert leaks(b"log " + text + b" end", {"key": secret}), form
    other = bytes(one ^ 0x5A for one in secret)
    for form, text in forms(other).items():
        assert not leaks(b"log " + text + b" end", {"key": secret}), form


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
    """And a station that reaches its collector is in service without --offline."""
    with bench(tmp_path) as made, collecting(tmp_path) as tap:
        made.connect(f"https://localhost:{tap.port}", tmp_path / "ca.der")
        made.write("secrets.json", {"wifi_password": PASSWORD, "pseudonym_key": PSEUDONYM_KEY})
        done = made.run()
        assert done.returncode == 0, done.stderr
        cable = open_cable(str(made.port))
        said = repr((inspect.state(cable), inspect.last_lines(cable), inspect.pull(cable)))
        wait_until("requests", lambda: len(tap.sent) > 2000, 60, tmp_path / "board.log")
    blob = (tmp_path / "board" / "state" / "keystore").read_bytes()
    secrets = {"private key": blob[KEY_AT : KEY_AT + KEY_LEN], "password": PASSWORD.encode()}
    secrets["pseudonym key"] = PSEUDONYM_KEY.encode()
    flash = (tmp_path / "board" / "vfs.bin").read_bytes()
    assert PASSWORD.encode() in flash and PSEUDONYM_KEY.encode() in flash  # they were written
    left = {"cable": made.tap.read_bytes(), "answers": said.encode()}
    left |= {"output": (done.stdout + done.stderr).encode()}
    places = [*files_of(made.out), *files_of(tmp_path / "collector"), made.registry]
    places += [tmp_path / "board.log", tmp_path / "collector.log"]
    left |= {str(path): path.read_bytes() for path in places}
    operator = ec.generate_private_key(ec.SECP256R1())
    left["export"] = export(open_registry(made.registry), [operator])
    left |= {"sent to the collector": bytes(tap.sent), "its answers": bytes(tap.answered)}
    found = {place: leaks(data, secrets) for place, data in left.items()}
    print(f"{sum(map(len, left.values()))} bytes of {len(left)} places, {len(secrets)} secrets")
    assert b"POST /v1/batches" in left["sent to the collector"]
    assert len(left["cable"]) > 5000 and not any(found.values()), found
