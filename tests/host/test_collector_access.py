"""Roles: every route has one, tokens open what their role may do, and nothing else."""

import json
import subprocess
import sys
import threading
import time

import httpx
import pytest
from meterseal import pki
from meterseal.audit.receipts import acks_of
from meterseal.cli.main import main
from meterseal.collector import tokens
from meterseal.collector.access import ALLOWED, LOGIN, ROLES, STATIONS
from meterseal.collector.serve import Settings, build, check_open, prepare
from meterseal.collector.tokens import FILE, LiveTokens, add_token, read_tokens, revoke_token
from meterseal.errors import ConfigurationError, EnvironmentProblem
from meterseal.trust_keys import fingerprint, load_public_file
from support.collector_process import CollectorProcess
from support.fast_station import FastStation, trust_of

HTML = {"accept": "text/html"}


def settings_of(folder, host="127.0.0.1"):
    (folder / "trust.json").write_bytes(trust_of([FastStation()]))
    pki.write_certificate(folder, pki.make_server(pki.make_authority("ours"), ["localhost"]))
    certificate = folder / "server.pem", folder / "server.key"
    return Settings(folder / "data", *certificate, folder / "trust.json", host, 0, "")


def routes_of(app):
    """Method and path of everything that the application answers."""
    found = set()
    for route in app.router.routes:
        methods = getattr(route, "methods", None) or {"GET"}
        found |= {(method, route.path) for method in methods - {"HEAD"}}
    return found


def test_every_route_has_a_role_or_is_the_stations_own(tmp_path):
    settings = settings_of(tmp_path)
    prepare(settings)
    routes = routes_of(build(settings)._app._app)
    assert len(routes) > 15
    unnamed = routes - set(ALLOWED) - STATIONS - LOGIN
    assert not unnamed, f"say in meterseal/collector/access.py who may do this: {unnamed}"
    assert not (set(ALLOWED) | STATIONS | LOGIN) - routes, "a route of the table is gone"
    assert all(roles and roles <= set(ROLES) for roles in ALLOWED.values())
    assert not set(ALLOWED) & (STATIONS | LOGIN)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("access")
    station = FastStation()
    secrets = {role: add_token(folder / "data", role, role)[1] for role in ROLES}
    with CollectorProcess(folder, trust_of([station]), 2) as collector:
        yield collector, station, secrets


@pytest.fixture
def client(world):
    collector, _, _ = world
    with httpx.Client(verify=collector.tls, base_url=collector.url, timeout=60) as client:
        yield client


def ask(client, route, device, secret=None, **headers):
    method, path = route
    if secret:
        headers["authorization"] = f"Bearer {secret}"
    path = path.replace("{device}", device)
    if path == "/v1/sessions":
        path += f"?device={device}"
    return client.request(method, path, headers=headers)


def test_each_role_may_do_what_the_table_says(world, client):
    _, station, secrets = world
    for route, roles in ALLOWED.items():
        for role, secret in secrets.items():
            answer = ask(client, route, station.kid.hex(), secret)
            if role in roles:
                assert answer.status_code == 200, (route, role, answer.text)
            else:
                assert (answer.status_code, answer.json()["code"]) == (403, "role-forbidden")


def test_nobody_gets_in_without_a_token(world, client):
    _, station, secrets = world
    for route in ALLOWED:
        for secret in (None, "mst_guess", secrets["auditor"][:-1]):
            answer = ask(client, route, station.kid.hex(), secret)
            assert answer.status_code == 401 and answer.json()["code"] == "token-unknown"
            assert answer.headers["www-authenticate"] == "Bearer"
    assert client.head("/openapi.json").status_code == 401
    assert client.get("/none").status_code == 404


def test_stations_need_none(world, client):
    _, station, _ = world
    answer = client.post("/v1/batches", content=station.seal())
    assert answer.json()["acks"][0]["number"] == station.number
    for path in ("/v1/time", "/healthz", "/readyz", f"/v1/head?device={station.kid.hex()}"):
        assert client.get(path).status_code == 200


def test_the_key_of_the_receipts_is_given_out(world, client):
    """What is served, what lies beside the key and what the start prints are one key."""
    collector, station, secrets = world
    pem = client.get("/v1/receipt.pem", headers={"authorization": f"Bearer {secrets['auditor']}"})
    public = load_public_file(collector.data / "receipt.pem")
    assert pem.content == (collector.data / "receipt.pem").read_bytes()
    assert collector.ready["receipt_key"] == fingerprint(public)
    receipt = client.post("/v1/batches", content=station.seal()).json()["receipt"]
    [ack] = acks_of(bytes.fromhex(receipt), public, "test")
    assert (ack.number, ack.hash) == (station.number, station.head)


def test_a_person_logs_in_with_a_token(world, client):
    _, _, secrets = world
    answer = client.get("/", headers=HTML)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert "token" in client.get("/login").text
    wrong = client.post("/login", data={"token": "mst_guess"})
    assert wrong.status_code == 401 and "set-cookie" not in wrong.headers
    assert client.post("/login", content=b"token=" + b"a" * 5000).status_code == 413
    right = client.post("/login", data={"token": secrets["viewer"]})
    cookie = right.headers["set-cookie"]
    assert (right.status_code, right.headers["location"]) == (303, "/")
    assert all(flag in cookie for flag in ("Secure", "HttpOnly", "SameSite=Strict", "Path=/"))
    assert client.get("/", headers=HTML).status_code == 200
    assert client.get("/v1/export").status_code == 403
    client.post("/logout")
    assert client.get("/", headers=HTML).status_code == 303


def test_tokens_count_and_cease_to_while_it_runs(world, client):
    collector, _, _ = world
    token, secret = add_token(collector.data, "for a while", "viewer")
    headers = {"authorization": f"Bearer {secret}"}
    assert client.get("/", headers=headers).status_code == 200
    revoke_token(collector.data, token.id)
    assert client.get("/", headers=headers).status_code == 401


def test_a_file_holds_no_secret_and_a_lost_one_opens_nothing(tmp_path):
    assert LiveTokens(tmp_path).open
    token, secret = add_token(tmp_path, "a", "viewer", days=1)
    path = tmp_path / FILE
    assert secret not in path.read_text() and path.stat().st_mode & 0o077 == 0
    assert token.counts(token.made_unix_s + 86_000)
    assert not token.counts(token.made_unix_s + 86_400)
    live = LiveTokens(tmp_path)
    assert live.holder(secret) == token and live.holder("") is None
    kept = path.read_bytes()
    path.unlink()
    assert live.holder(secret) is None and not live.open
    path.write_bytes(kept)
    assert live.holder(secret) == token
    path.write_bytes(b"{")
    assert live.holder(secret) == token  # the former tokens count
    with pytest.raises(EnvironmentProblem):
        read_tokens(tmp_path)
    with pytest.raises(ConfigurationError):
        add_token(tmp_path, "b", "king")


def test_a_file_that_appears_while_it_runs_closes_what_was_open(tmp_path):
    live = LiveTokens(tmp_path)
    assert live.open
    add_token(tmp_path, "a", "viewer")
    assert not live.open


def test_without_tokens_it_listens_on_this_machine_alone(tmp_path):
    for host in ("127.0.0.1", "::1", "localhost", "127.1.2.3"):
        check_open(settings_of(tmp_path, host))
    for host in ("0.0.0.0", "::", "192.168.1.5", "collector.example"):
        with pytest.raises(EnvironmentProblem) as refused:
            check_open(settings_of(tmp_path, host))
        assert refused.value.code == "collector-open"
        assert "token add" in refused.value.remedy
    add_token(tmp_path / "data", "a", "viewer")
    check_open(settings_of(tmp_path, "0.0.0.0"))


def test_the_command_line(tmp_path, capsys):
    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main(["collect", "token", *arguments, "--data", str(tmp_path)])
        return ended.value.code, capsys.readouterr().out

    code, out = run("add", "grafana", "--role", "viewer", "--json")
    made = json.loads(out)
    assert code == 0 and made["token"].startswith("mst_")
    assert run("add", "x", "--role", "king")[0] == 1
    code, out = run("list")
    assert "grafana" in out and made["token"] not in out
    assert run("revoke", made["id"])[0] == 0
    assert json.loads(run("list", "--json")[1])[0]["revoked"]
    assert LiveTokens(tmp_path).holder(made["token"]) is None
    assert run("revoke", "none")[0] == 1


def test_serving_without_its_options_is_a_usage_error():
    command = [sys.executable, "-m", "meterseal", "collect", "--data", "x"]
    ended = subprocess.run(command, check=False, capture_output=True, text=True)
    assert ended.returncode == 2 and "--trust" in ended.stderr


def test_changes_of_tokens_take_turns(tmp_path, monkeypatch):
    """A token that is revoked while another one is added stays revoked."""
    stolen, secret = add_token(tmp_path, "stolen", "operator")
    live, write, began = LiveTokens(tmp_path), tokens._write, threading.Event()

    def slow(data, changed):
        began.set()
        time.sleep(0.3)
        write(data, changed)

    monkeypatch.setattr(tokens, "_write", slow)
    adding = threading.Thread(target=add_token, args=(tmp_path, "other", "viewer"))
    adding.start()
    assert began.wait(10)
    monkeypatch.setattr(tokens, "_write", write)
    revoke_token(tmp_path, stolen.id)
    adding.join()
    assert live.holder(secret) is None
    assert [one.name for one in read_tokens(tmp_path)] == ["stolen", "other"]


def test_revoking_in_a_directory_that_is_none_makes_none(tmp_path):
    with pytest.raises(ConfigurationError) as refused:
        revoke_token(tmp_path / "typo", "00000000")
    assert refused.value.code == "token-unknown" and not (tmp_path / "typo").exists()
