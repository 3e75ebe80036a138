"""The collector's pages in a real browser: fleet, station, and the drop zone."""

import shutil

import httpx
import pytest
from support.collector_process import CollectorProcess
from support.fast_station import trust_of

from tests.host.test_audit_tampering import HourlyStation

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium: apt-get install it")


@pytest.fixture(scope="module")
def page():
    api = pytest.importorskip("playwright.sync_api", reason="needs playwright: make dev")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        size = {"width": 390, "height": 844}  # a phone
        context = browser.new_context(ignore_https_errors=True, viewport=size)
        context.set_default_timeout(60_000)
        yield context.new_page()
        browser.close()


def test_fleet_station_and_drop_zone(page, tmp_path):
    good, gappy, silent = HourlyStation(), HourlyStation(), HourlyStation()
    batches = [good.seal() for _ in range(3)]
    first, _, third = [gappy.seal() for _ in range(3)]
    errors = []
    page.on("pageerror", lambda problem: errors.append(str(problem)))
    with CollectorProcess(tmp_path, trust_of([good, gappy, silent])) as collector:
        for body in (b"".join(batches), first + third):
            httpx.post(f"{collector.url}/v1/batches", content=body, verify=collector.tls)
        page.goto(collector.url + "/")
        states = page.locator("#fleet tr td:last-child").all_inner_texts()
        assert states == ["ok", "gap", "no batch yet"]
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        altered = batches[0][:-1] + bytes([batches[0][-1] ^ 1])
        for content, expected in ((batches[0], "batch 1"), (altered, "signature-invalid")):
            dropped = tmp_path / f"{expected}.cborseq"  # a browser reports no change of one name
            dropped.write_bytes(content)
            page.set_input_files("#file", dropped)
            page.locator("#verdict p", has_text=expected).wait_for()
            text = page.locator("#verdict").inner_text()
            assert ("VERIFIED" in text) == (content == batches[0]), text
            assert "UNANCHORED" in text
        page.click("#fleet a >> nth=1")
        assert "station-2" in page.locator("h1").inner_text()
        assert "chain-gap" in page.content() and page.locator("#calendar").count() == 1
        assert page.locator("#energy rect").count() + page.locator("#power rect").count() > 0
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.goto(collector.url + "/?words=station-3&state=no+batch+yet")
        assert page.locator("#fleet tr").count() == 2
    assert not errors
