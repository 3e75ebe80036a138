"""Which version runs: two slots, what is on trial, how many tries it has left.

One blob of the state store, replaced as a whole: the atomic pointer. A version is on trial until
it is kept; each boot of it costs a try, and with none left the kept one runs again, for good. What
was ever tried uses its number up, so that nothing is tried in a loop. Slot 0 is what was there
before any update: the frozen image, the files of the cable. The blob names the content of each
slot, so that a slot whose files were damaged is found before it runs. Must never point at a slot
that was not verified whole, and must stay what it is: the version before reads the same blob.
"""

import struct

from agent.constant import const

CODE, SETTINGS, IMAGE = "upd_code", "upd_set", "upd_img"
NAMES = (CODE, SETTINGS, IMAGE)
WENT_BACK, DAMAGED = "went back", "damaged"

_LAYOUT = const(">BBBBBBIIIIII32s32s32s16s16s8s8s")
_FORMAT = const(2)
_TRIES = const(3)  # boots of a version that has not yet read, journaled and sealed
_PROVEN_TRIES = const(30)  # power cuts that a version may go through that has
DIGEST_LEN = 16


class Slots:
    """State of one kind of update. `kept`, `trial`: 0, 1 or 2; `trial` is None without a trial.

    `proven`: 1 when the version on trial works, 2 when it is to be kept.
    """

    def __init__(self, store, name):
        self._store = store
        self.name = name
        blob = store.get(name) or b""
        if len(blob) != struct.calcsize(_LAYOUT) or blob[0] != _FORMAT:
            blob = struct.pack(_LAYOUT, _FORMAT, *([0] * 11 + [b""] * 7))
        f = struct.unpack(_LAYOUT, blob)
        _, self.kept, self._trial, self.tries, self.proven, self._damaged = f[:6]
        self.kept_number, self.trial_number, self.highest = f[6:9]
        self.offline_s, self.failed_number, self.length = f[9:12]
        texts = [text.rstrip(b"\0").decode() for text in f[12:15]]
        self.version, self.kept_version, self.failed_version = texts
        self._kept_digest, self._trial_digest, self._kept_cable, self._trial_cable = f[15:]

    def _save(self):
        blob = struct.pack(
            _LAYOUT,
            *(_FORMAT, self.kept, self._trial, self.tries, self.proven, self._damaged),
            *(self.kept_number, self.trial_number, self.highest),
            *(self.offline_s, self.failed_number, self.length),
            *[text.encode() for text in (self.version, self.kept_version, self.failed_version)],
            *(self._kept_digest, self._trial_digest, self._kept_cable, self._trial_cable),
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

    @property
    def digest(self):
        """The first bytes of the hash of what runs in this boot."""
        return self._trial_digest if self._trial else self._kept_digest

    @property
    def cable_8(self):
        """What the cable had brought when the settings were installed that run in this boot."""
        return self._trial_cable if self._trial else self._kept_cable

    @property
    def failed_step(self):
        """Why the version of `failed_number` was given up."""
        return DAMAGED if self._damaged else WENT_BACK

    def running(self):
        """The slot that runs in this boot, as `boot` decided."""
        return self._trial or self.kept

    def boot(self, base=0, for_good=True):
        """Call once in a boot: the slot to run; 0 for what was there before any update.

        `base`: number of what was there; a newer one, written over the cable, wins. Not
        `for_good`: that one is itself on trial, and what is kept here stays for its way back.
        """
        newest = self.trial_number if self._trial else self.kept_number if self.kept else 0
        if newest and base >= newest:
            if not for_good:
                return 0
            self.clear()
        if self._trial and not self.spend():
            self.go_back()
        return self.running()

    def spend(self):
        """Another boot of the version on trial; False if it had all of them."""
        if not self.tries:
            return False
        self.tries -= 1
        self._save()
        return True

    def install(self, number, version, digest=b"", slot=None, length=0, cable_8=b""):
        """What stands in `target` was verified: it is on trial from the next boot on."""
        self._trial, self.tries = slot or self.target, _TRIES
        self.proven = self.offline_s = 0
        self.trial_number = self.highest = number
        self.version, self.length = version, length
        self._trial_digest, self._trial_cable = digest, cable_8
        self._save()

    def withdraw(self, highest):
        """It was never tried after all; `highest` as before."""
        self._trial, self.highest = 0, highest
        self._save()

    def prove(self, state=1):
        """The version on trial reads, journals and seals: power cuts no longer count so much."""
        if self.proven < state:
            self.proven, self.tries = state, _PROVEN_TRIES
            self._save()

    def add_offline(self, seconds):
        """It went on working so long without any network."""
        self.offline_s += seconds
        self._save()

    def keep(self):
        """The version on trial is the one that runs from now on."""
        self.kept, self.kept_number, self._trial = self._trial, self.trial_number, 0
        self.kept_version = self.version
        self._kept_digest, self._kept_cable = self._trial_digest, self._trial_cable
        self._save()

    def go_back(self):
        """The version on trial is given up."""
        self._failed(self.trial_number, self.version, 0)
        self._trial = 0
        self._save()

    def drop(self, again):
        """What runs cannot: a kept one gives way to what was there before any update.

        `again`: its files are damaged; the same number may be brought once more.
        """
        if self._trial:
            return self.go_back()
        self._failed(self.kept_number, self.kept_version, 1)
        if again and self.highest == self.kept_number:
            self.highest -= 1
        self.kept = self.kept_number = 0
        self._save()

    def clear(self):
        """The cable brought something newer: no slot counts any more; used numbers stay so."""
        if self.kept or self._trial:
            self.kept = self._trial = self.kept_number = 0
            self._save()

    def _failed(self, number, version, damaged):
        self.failed_number, self.failed_version, self._damaged = number, version, damaged

    def told(self):
        """The journal holds that a version was given up."""
        self.failed_number = 0
        self._save()

    def directory(self, root, slot):
        """Directory of a slot of the file system."""
        return "%s/%s_%s" % (root, self.name, "0ab"[slot])
