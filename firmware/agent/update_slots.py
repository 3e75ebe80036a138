"""Which version runs: two slots, what is on trial, how many tries it has left.

One blob of the state store, replaced as a whole: the atomic pointer. A version is on trial until
it is kept; each boot of it costs a try, and with none left the kept one runs again, for good. What
was ever tried uses its number up, so that nothing is tried in a loop. Slot 0 is what was there
before any update: the frozen image, the files of the cable. Must never point at a slot that was
not verified whole, and must stay what it is: the version before reads the same blob.
"""

import struct

from agent.constant import const

CODE, SETTINGS, IMAGE = "upd_code", "upd_set", "upd_img"

_LAYOUT = const(">BBBBBIIIII32s32s")
_FORMAT = const(1)
_TRIES = const(3)  # boots of a version that has not yet read, journaled and sealed
_PROVEN_TRIES = const(30)  # power cuts that a version may go through that has


class Slots:
    """State of one kind of update. `kept`, `trial`: 0, 1 or 2; `trial` is None without a trial."""

    def __init__(self, store, name):
        self._store = store
        self.name = name
        blob = store.get(name) or b""
        if len(blob) != struct.calcsize(_LAYOUT) or blob[0] != _FORMAT:
            blob = struct.pack(_LAYOUT, _FORMAT, *([0] * 9 + [b"", b""]))
        f = struct.unpack(_LAYOUT, blob)
        _, self.kept, self._trial, self.tries, self.proven = f[:5]
        self.kept_number, self.trial_number, self.highest = f[5:8]
        self.offline_s, self.failed_number = f[8:10]
        self.version, self.failed_version = [text.rstrip(b"\0").decode() for text in f[10:]]

    def _save(self):
        blob = struct.pack(
            _LAYOUT,
            *(_FORMAT, self.kept, self._trial, self.tries, self.proven),
            *(self.kept_number, self.trial_number, self.highest),
            *(self.offline_s, self.failed_number),
            *(self.version.encode(), self.failed_version.encode()),
        )
        self._store.set(self.name, blob)

    @property
    def trial(self):
        """The slot on trial, or None."""
        return self._trial or None

    @property
    def target(self):
        """The slot that an update may overwrite."""
        return 2 if self.kept == 1 else 1

    def running(self):
        """The slot that runs in this boot, as `boot` decided."""
        return self._trial or self.kept

    def boot(self, base=0):
        """Call once in a boot: the slot to run; 0 for what was there before any update.

        `base`: number of what was there; a newer one, written over the cable, wins.
        """
        newest = self.trial_number if self._trial else self.kept_number if self.kept else 0
        if newest and base >= newest:
            self.kept, self._trial, self.kept_number = 0, 0, 0
            self._save()
        if self._trial and not self.tries:
            self.go_back()
        elif self._trial:
            self.tries -= 1
            self._save()
        return self.running()

    def install(self, number, version, slot=None):
        """What stands in `target` was verified: it is on trial from the next boot on."""
        self._trial, self.tries = slot or self.target, _TRIES
        self.proven = self.offline_s = 0
        self.trial_number = self.highest = number
        self.version = version
        self._save()

    def prove(self):
        """The version on trial reads, journals and seals: power cuts no longer count so much."""
        if not self.proven:
            self.proven, self.tries = 1, _PROVEN_TRIES
            self._save()

    def add_offline(self, seconds):
        """It went on working so long without any network."""
        self.offline_s += seconds
        self._save()

    def keep(self):
        """The version on trial is the one that runs from now on."""
        self.kept, self.kept_number, self._trial = self._trial, self.trial_number, 0
        self._save()

    def go_back(self):
        """The version on trial is given up."""
        self.failed_number, self.failed_version = self.trial_number, self.version
        self._trial = 0
        self._save()

    def told(self):
        """The journal holds that a version was given up."""
        self.failed_number = 0
        self._save()

    def directory(self, root, slot):
        """Directory of a slot of the file system."""
        return "%s/%s_%s" % (root, self.name, "0ab"[slot])
