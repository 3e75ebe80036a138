"""`meterseal collect` with options that cannot be meant: a typed error and exit code 3."""

import pytest
from meterseal.cli.main import main
from meterseal.pki import write_server_files
from support.fast_station import FastStation, trust_of


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("given")
    write_server_files(folder, ["127.0.0.1"])
    (folder / "trust.json").write_bytes(trust_of([FastStation()]))
    (folder / "secret").write_bytes(b"s" * 32)
    return folder


@pytest.mark.parametrize("workers", ["1", "2"])
@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--cert", "nope.pem"], "collector-certificate"),
        (["--cert", "trust.json"], "collector-certificate"),
        (["--cert", "ca.pem"], "collector-certificate"),  # of another key
        (["--key", "nope.key"], "collector-certificate"),
        (["--mqtt", "mqtts://user:secret@broker:99999"], "mqtt-url"),
        (["--mqtt", "mqtts://[broker"], "mqtt-url"),
        (["--webhook", "https://a b:x/", "--webhook-secret", "secret"], "webhook-url"),
        (["--webhook", "https:///", "--webhook-secret", "secret"], "webhook-url"),
        (["--webhook", "https://ok.example/", "--webhook-secret", "nope"], "webhook-secret"),
        (["--database", "garbage"], "collector-database"),
        (["--database", "postgresql://h:port/name"], "collector-database"),
    ],
)
def test_refused_before_anything_is_served(files, monkeypatch, capsys, options, code, workers):
    monkeypatch.chdir(files)
    given = {"--cert": "server.pem", "--key": "server.key", "--trust": "trust.json"}
    given |= {"--data": "data", "--port": "0", "--workers": workers}
    given |= dict(zip(options[::2], options[1::2], strict=True))
    with pytest.raises(SystemExit) as left:
        main(["collect", *(one for pair in given.items() for one in pair)])
    told = capsys.readouterr().err
    assert left.value.code == 3 and code in told and "user:secret" not in told


@pytest.mark.parametrize("database", ["garbage", "postgresql://h:port/name"])
def test_a_backup_of_what_is_no_database(tmp_path, capsys, database):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "receipt.key").write_bytes(b"")
    with pytest.raises(SystemExit) as left:
        data = ["--data", str(tmp_path / "data"), "--database", database]
        main(["collect", "backup", str(tmp_path / "out"), *data])
    assert left.value.code == 3 and "collector-database" in capsys.readouterr().err
    assert [one.name for one in tmp_path.iterdir()] == ["data"]
