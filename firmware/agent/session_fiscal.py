"""When a fiscal (F) record is due, and what it says; boots do not disturb the grid.

Loaded with `session_task`. Must never make more records than one an interval.
"""

from . import ocmf, session_meter, session_record
from .errors import SessionError


class Fiscal:
    """`kept`: meter -> Unix time of its last fiscal reading, which the book keeps."""

    def __init__(self, interval_s, kept, clock):
        self._interval_ms = 1000 * interval_s
        self._kept = kept
        self._clock = clock
        self._due_ms = {}  # meter -> monotonic time of its next one, once there was one
        self._waiting = {}  # meter -> what its record says

    def note(self, meter, watch, reading, seen, early_ms):
        """A reading, which is taken if one is due in `early_ms` or was."""
        if not self._interval_ms:
            return
        t_unix_ms = session_meter.time_ms(self._clock, seen.mono_ms)
        due_ms = self._due(meter, seen.mono_ms, t_unix_ms)
        late_ms = seen.mono_ms + early_ms - due_ms
        if late_ms < 0:
            return
        self._due_ms[meter] = due_ms + self._interval_ms * (1 + late_ms // self._interval_ms)
        self._kept[meter] = t_unix_ms
        serial = seen.serial or "%s/%d" % (seen.model, watch.reader.unit)
        fields = session_record.fiscal_fields(serial, seen.model, reading.sequence)
        self._waiting[meter] = (fields, self._item(reading, seen, t_unix_ms))

    def waits(self):
        """Whether there is a record to issue."""
        return bool(self._waiting)

    def record(self, page, signer):
        """The next one, signed. It waits on if the key does not sign, not if it is refused."""
        meter = min(self._waiting)
        try:
            record = session_record.fiscal(self._waiting[meter], page, signer)
        except SessionError:
            del self._waiting[meter]
            raise
        del self._waiting[meter]
        return record

    def _due(self, meter, mono_ms, t_unix_ms):
        """In a new boot an interval after the last one, by the time of day or by this boot's."""
        if meter in self._due_ms:
            return self._due_ms[meter]
        if meter not in self._kept:
            return mono_ms
        left_ms = self._kept[meter] + self._interval_ms - t_unix_ms
        return min(self._interval_ms, mono_ms + max(0, left_ms))

    def _item(self, reading, seen, t_unix_ms):
        if seen.mark:
            return ocmf.reading(seen.mark)
        state = session_meter.state_letter(reading, bool(seen.serial))
        sync = ocmf.letter(self._clock.anchor(), self._clock.error_ms())
        return ocmf.failed(t_unix_ms, sync, "E" if state == "G" else state)
