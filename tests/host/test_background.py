"""Tasks beside the answering: whatever ends one, it is started again, and /readyz can tell."""

import asyncio

import pytest
from meterseal.collector import background
from meterseal.collector.background import Background, Job


@pytest.mark.parametrize("end", [RuntimeError("a bug"), ExceptionGroup("g", [OSError()]), None])
def test_a_task_that_ends_is_started_again(monkeypatch, end):
    monkeypatch.setattr(background, "PAUSE_S", 0.01)
    runs, seen = [], []

    async def run(say):
        runs.append(1)
        seen.append(beside.states["one"])
        if len(runs) < 3:
            if end is not None:
                raise end
            return
        say("well")
        await asyncio.Event().wait()

    async def other(_say):
        await asyncio.Event().wait()

    beside = Background(Job("one", run), Job("other", other))

    async def scenario():
        assert beside.states == {"one": "starting", "other": "starting"}
        beside.start()
        while beside.states["one"] != "well":
            await asyncio.sleep(0.01)
        await beside.stop()

    asyncio.run(asyncio.wait_for(scenario(), 60))
    assert len(runs) == 3 and seen == ["running"] * 3
    assert beside.states["other"] == "running"
