"""`meterseal verify` on one core, on two, and on a Dask cluster: the same words, the same page."""

import json
import pickle
import re
from pathlib import Path

import pytest
from meterseal.cli.main import main
from meterseal.errors import Error, MalformedBatch
from support.fast_station import trust_of

from tests.host.test_audit_tampering import HourlyStation


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five stations in two files; a gap in one chain, a changed bit, junk."""
    folder = tmp_path_factory.mktemp("parts")
    stations = [HourlyStation() for _ in range(5)]
    sealed = [station.seals(6) for station in stations]
    del sealed[1][3]
    broken = bytearray(sealed[2][-1])
    broken[-1] ^= 1
    sealed[2][-1] = bytes(broken)
    data = folder / "data"
    data.mkdir()
    for name, rows in (("a", slice(0, 3)), ("b", slice(3, 6))):
        pieces = [batch for batches in sealed for batch in batches[rows]]
        (data / f"{name}.cborseq").write_bytes(
            b"".join(pieces) + (b"junk" if name == "a" else b"")
        )
    (folder / "trust.json").write_bytes(trust_of(stations))
    return folder


def verify(archive: Path, capsys: pytest.CaptureFixture[str], *more: str) -> tuple[int, str, str]:
    """(exit code, JSON, page) of a run."""
    page = archive / "page.html"
    trust = str(archive / "trust.json")
    with pytest.raises(SystemExit) as left:
        main(
            [
                "verify",
                str(archive / "data"),
                "--trust",
                trust,
                "--json",
                "--html",
                str(page),
                *more,
            ]
        )
    return int(left.value.code or 0), capsys.readouterr().out, page.read_text()


def test_cores_and_clusters_say_the_same(
    archive: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    distributed = pytest.importorskip("distributed", reason="Dask is not installed")
    one = verify(archive, capsys, "--jobs", "1")
    found = json.loads(one[1])
    assert one[0] == 1 and len(found["devices"]) == 5
    assert [(f["verified"], f["refused"]) for f in found["files"]] == [(15, 1), (13, 1)]
    assert one[2].count('class="p"') > 20 and "chain-gap" in one[2]
    assert verify(archive, capsys, "--jobs", "2") == one
    assert verify(archive, capsys, "--dask", "local:2") == one
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True) as cluster:
        assert verify(archive, capsys, "--dask", cluster.scheduler_address) == one


def page_of(folder: Path, trusted: HourlyStation, *batches: bytes) -> tuple[int, str]:
    """(exit code, words of the page) for one file of batches."""
    (folder / "trust.json").write_bytes(trust_of([trusted]))
    (folder / "b.cborseq").write_bytes(b"".join(batches))
    files = [str(folder / "b.cborseq"), "--trust", str(folder / "trust.json")]
    with pytest.raises(SystemExit) as left:
        main(["verify", *files, "--html", str(folder / "page.html")])
    page = (folder / "page.html").read_text()
    words = re.sub(r"<style.*?</style>|<[^>]+>", " ", page, flags=re.S).split()
    return int(left.value.code or 0), " ".join(words)


def test_the_page_says_what_was_refused(tmp_path: Path) -> None:
    """A changed tail, a device that nobody knows, junk: each where it belongs, and FAILED."""
    station, stranger = HourlyStation(), HourlyStation()
    sealed = station.seals(4)
    sealed[3] = sealed[3][:-1] + bytes([sealed[3][-1] ^ 1])
    code, page = page_of(tmp_path, station, *sealed, *stranger.seals(3), b"junk")
    assert code == 1 and "Verification: failed" in page and "FAILED" in page
    assert "error signature-invalid (1)" in page and "error key-unknown (3)" in page
    assert f"{stranger.kid.hex()} 0 3 0 " in page  # its row: none verified, three refused
    assert "(none) 0 1 0 " in page and "error cose-" in page


def test_the_page_says_that_a_record_is_refused(tmp_path: Path) -> None:
    station = HourlyStation()
    code, page = page_of(tmp_path, station, station.seal(), station.seal(k18=["OCMF|no|record"]))
    assert code == 1 and "Verification: failed" in page and "error ocmf-" in page


def test_the_page_of_what_is_whole(tmp_path: Path) -> None:
    station = HourlyStation()
    code, page = page_of(tmp_path, station, *station.seals(3))
    assert code == 0 and "Verification: verified" in page and "VERIFIED. UNANCHORED" in page
    assert page_of(tmp_path, station)[1].count("failed") == 1  # a file without any batch


def test_a_cluster_that_is_not_there(archive: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        arguments = ["verify", str(archive / "data"), "--trust", str(archive / "trust.json")]
        main([*arguments, "--dask", "tcp://127.0.0.1:9"])
    assert left.value.code == 3 and "dask-unreachable" in capsys.readouterr().err


def test_errors_travel_between_processes() -> None:
    for error in (MalformedBatch("cose-tag", "text", 7), Error("code", "text", "remedy")):
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error) and vars(again) == vars(error)
        assert again.args == error.args
