"""A whole station lives on, an hour a step, its tasks one after the other."""

from agent.errors import UploadError
from agent.update import Updater

_HOUR_MS = 3600000


async def live(board, app, hours):
    """Meters, seal task, uplink and updates of `app` for so many hours."""
    updater = Updater(app)
    for _ in range(hours):
        board.timing.advance_us(_HOUR_MS * 1000)
        await app.meters.poll_once()
        app.meters._due_ms = app.clock.mono_ms() + _HOUR_MS
        while app.seal_task.step():
            pass
        try:
            await app.uplink._call()
        except UploadError as error:
            app.uplink._failed(error)
        updater.step()
