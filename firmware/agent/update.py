"""Asks the collector for updates, and sees a version on trial through to its end.

Loaded only where config.json names owners. Nothing is asked for while a version is on trial. Every
step becomes an event (WIRE_FORMAT.md section 6, kind 14), a refusal with its code. Must never
trust the collector, which may offer anything: what counts is an owner's signature.
"""

import binascii
import gc

from . import forget, log, update_slots
from .constant import const
from .errors import FwError, UploadError
from .update_owners import Owners
from .update_slots import Slots
from .update_trial import GO_BACK, KEEP, Trial
from .version import BUILD_UNIX_S

EVENT_UPDATE = 14
_LOOK_MS = const(1000)
_HOUR_S = const(3600)
_AGAIN_MS = const(86400000)  # what was refused is not looked at again before
_NAMES = update_slots.NAMES
_KINDS = const(("code", "settings", "image", "owners"))
_DEADLINE_MS = const(600000)  # a file system takes its time to write a version


def add(app):
    """Put the updater of the station under its supervisor."""
    updater = Updater(app)
    if app.uplink:
        app.uplink.afterwards = updater.ask
    app.supervisor.add("update", updater.run, _DEADLINE_MS)


class Updater:
    """One for the station; `ask` is called by the uplink, `run` by the supervisor."""

    def __init__(self, app):
        board = app.board
        self._app = app
        self._board = board
        self._settings = app.config["update"]
        self._sleep_ms = app.timing.sleep_ms
        self.owners = Owners(board.store, self._settings["owners"])
        self.slots = {name: Slots(board.store, name) for name in _NAMES}
        self._image = getattr(board, "image", None)
        self._trial = Trial(app, self._settings)
        self._alone_ms = None  # since when it has worked without network, in this boot
        self._refused = (None, 0)
        self._offered = ""  # what an owner signed of the last offer
        self.check_in = lambda: None

    # -- on trial

    async def run(self, check_in):
        """For ever: look at the trial, tell what was given up."""
        self.check_in = check_in
        while True:
            check_in()
            self.step()
            await self._sleep_ms(_LOOK_MS)

    def step(self):
        """One look."""
        self._tell()
        on_trial = self.on_trial()
        if on_trial:
            self._judge(on_trial)

    def on_trial(self):
        """The slots that have something on trial."""
        return [slots for slots in self.slots.values() if slots.trial]

    def _judge(self, on_trial):
        self._trial.look()
        if self._trial.works():
            for slots in on_trial:
                slots.prove()
            self._count_offline(on_trial)
        settings = [slots for slots in on_trial if slots.name == update_slots.SETTINGS]
        offline_s = max([slots.offline_s for slots in on_trial])
        verdict = self._trial.verdict(offline_s, bool(settings))
        for slots in on_trial:
            if verdict == KEEP or slots.proven == 2:
                self._keep(slots)
            elif verdict == GO_BACK:
                slots.go_back()
        if verdict == GO_BACK:
            self._app.reset("update: went back")

    def _keep(self, slots):
        """Told before it is so: a power cut in between lets it be told twice, never not at all."""
        if slots.name == update_slots.IMAGE:
            slots.prove(2)
            self._image.keep()
        self._event("kept", _what(slots.name, slots.trial_number, slots.version))
        slots.keep()

    def _count_offline(self, on_trial):
        """Durably once in a while: power cuts must not make it begin anew."""
        now = self._app.clock.mono_ms()
        if self._alone_ms is None or self._trial.reached():
            self._alone_ms = now
        step_s = min(_HOUR_S, self._settings["offline_keep_s"])
        if not self._trial.reached() and now - self._alone_ms >= step_s * 1000:
            self._alone_ms = now
            for slots in on_trial:
                slots.add_offline(step_s)

    def _tell(self):
        """What was given up, once the journal takes events of this boot at once."""
        for slots in self.slots.values():
            if slots.failed_number and self._app.recorder.is_open:
                what = _what(slots.name, slots.failed_number, slots.failed_version)
                self._event(slots.failed_step, what)
                slots.told()

    def _event(self, step, what):
        log.info("update", step.replace(" ", "-"), what=what)
        self._app.recorder.event(EVENT_UPDATE, [step, what])

    # -- asking

    def number(self, name):
        """Number of what runs."""
        base = BUILD_UNIX_S if name != update_slots.SETTINGS else 0
        return max(self.slots[name].kept_number, base)

    async def ask(self, connection):
        """After a call that went well; UploadError if the collector does not answer."""
        if self.on_trial() or not self._app.recorder.is_open:
            return
        device = binascii.hexlify(self._app.signer.kid_8).decode()
        numbers = [max(self.number(name), self.slots[name].highest) for name in _NAMES]
        path = "/v1/update?device=%s&board=%s&numbers=%d,%d,%d,%d"
        board = _plain(self._settings["board"])
        path = path % ((device, board) + tuple(numbers) + (self.owners.number,))
        gc.collect()
        body = await connection.request("GET", path, 0, (), 16384)
        now = self._app.clock.mono_ms()
        if not body or (self._refused[0] == hash(body) and now < self._refused[1]):
            return
        try:
            await self._take(body, connection)
        except (UploadError, MemoryError):
            raise  # the network, or too little room just now: another time
        except (FwError, OSError) as error:
            self._refuse(body, error)
        finally:
            forget.modules("update_install", "update_manifest", "update_image", "p256_verify")

    def _refuse(self, body, error):
        code = getattr(error, "code", "update-storage")
        log.warn("update", "refused", code=code, text=str(error))
        self._refused = (hash(body), self._app.clock.mono_ms() + _AGAIN_MS)
        self._app.recorder.event(EVENT_UPDATE, ["refused " + code, self._offered])

    async def _take(self, body, connection):
        from . import update_manifest as manifests

        await self._app.bus_idle()
        self._offered = ""  # nothing of it is believed yet
        manifest = manifests.open_manifest(body, self.owners)
        name = manifest.kind if manifest.kind == manifests.OWNERS else _NAMES[manifest.kind]
        self._offered = _what(name, manifest.number, manifest.version)
        if manifest.kind == manifests.OWNERS:
            self.owners.rotate(manifest)
            self._event("owners", self._offered)
            return
        installer = self._installer(name, connection)
        check = self._check_settings if manifest.kind == manifests.SETTINGS else None
        await installer.install(manifest, check)
        self._event("installed", self._offered)
        self._app.reset("update: on trial")

    def _installer(self, name, connection):
        async def fetch(sha256_32, offset, length):
            sha256 = binascii.hexlify(sha256_32).decode()
            path = "/v1/update/file?sha256=%s&offset=%d&length=%d" % (sha256, offset, length)
            return await connection.request("GET", path, 0, (), length)

        board, slots = self._board, self.slots[name]
        arguments = (self._settings["board"], board.root, slots, self.number(name), fetch)
        if name == update_slots.IMAGE:
            from .update_image import ImageInstaller

            return ImageInstaller(self._image, *arguments, self._pause)
        from .update_install import Installer

        made = Installer(*arguments, self._pause)
        if name == update_slots.SETTINGS:
            made.cable = self._cable
        return made

    def _cable(self, paths):
        from .update_settings import cable_hash

        return cable_hash(getattr(self._board, "cable_file", self._board.read_file), paths)

    async def _pause(self):
        self.check_in()
        self._app.uplink.check_in()
        await self._sleep_ms(0)

    def _check_settings(self, files):
        """Settings from afar must be right, and leave the owners alone."""
        from .update_settings import check_settings

        check_settings(files, self._board.read_file, self._settings)
        forget.modules("update_settings")


def _what(name, number, version):
    """Kind, number and version of an update, as events name it; `name`: of the slots or a kind."""
    kind = _NAMES.index(name) if name in _NAMES else name
    return "%s %d %s" % (_KINDS[kind], number, version)


def _plain(board):
    """A board's name as a query takes it."""
    return "".join([c if c.isalpha() or c.isdigit() or c in "_.-" else "-" for c in board])
