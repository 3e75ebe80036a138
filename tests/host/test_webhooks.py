"""What a webhook does with what its receiver answers."""

import asyncio
import json

import httpx
import pytest
from meterseal.collector import webhooks
from meterseal.collector.webhooks import Webhook

ALERT = {"kind": "fork", "severity": "critical"}


def deliver(monkeypatch, *statuses):
    """A hook told two pieces of news, one after the other; what a receiver was sent.

    It answers with these statuses, then 200. Nothing waits between attempts.
    """
    monkeypatch.setattr(webhooks, "_PAUSE_S", (0.0,))
    got, left = [], list(statuses)

    def answer(request):
        got.append(json.loads(request.content))
        return httpx.Response(left.pop(0) if left else 200)

    async def run():
        hook = Webhook("https://user:pw@hooks.example:8443/T0/SECRET", b"s", frozenset())
        hook._dropped = 7
        async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as client:
            for kind in ("alert.raised", "batch.verified"):
                hook.tell(kind, ALERT)
                await hook._deliver(client, hook._take(), lambda _text: None)

    asyncio.run(run())
    return [([one["type"] for one in body["news"]], body["dropped"]) for body in got]


@pytest.mark.parametrize("status", [408, 429, 500])
def test_what_is_refused_for_now_is_sent_again(monkeypatch, status):
    first = ["alert.raised"], 7
    assert deliver(monkeypatch, status) == [first, first, (["batch.verified"], 0)]


def test_what_is_refused_for_good_is_counted(monkeypatch):
    found = deliver(monkeypatch, 400)
    assert found == [(["alert.raised"], 7), (["batch.verified"], 8)]


def test_the_log_names_the_receiver_without_its_secrets(monkeypatch, caplog):
    deliver(monkeypatch, 400)
    assert "https://hooks.example:8443: 400 answered" in caplog.text
    assert "pw" not in caplog.text and "SECRET" not in caplog.text
