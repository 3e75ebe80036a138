"""The readings of one batch in little memory: as the journal has them, unpacked when asked for.

Sixty readings of four values are 12 KB as objects on a 64-bit machine and 2 KB here. Looks like a
list of (index of the context, Reading) to whoever encodes it. Must never be changed while it is
walked.
"""

from array import array

from agent.reading import unpack


class Rows:
    """Sequence numbers rise by one from `first_sequence`; `contexts` may still grow."""

    def __init__(self, contexts):
        self.first_sequence = 0
        self._contexts = contexts
        self._places = array("H")
        self._packed = bytearray()

    def append(self, context, sequence, payload):
        """Add a reading in its journal form; the first one's `sequence` counts."""
        if not self._places:
            self.first_sequence = sequence
        self._places.append(len(self._packed))
        self._packed.extend(context.to_bytes(2, "big"))
        self._packed.extend(payload)

    def __len__(self):
        return len(self._places)

    def __getitem__(self, i):
        if i >= len(self._places):
            raise IndexError("reading")
        end = self._places[i + 1] if i + 1 < len(self._places) else len(self._packed)
        record = bytes(self._packed[self._places[i] : end])
        context = record[0] << 8 | record[1]
        boot = self._contexts[context].boot
        return context, unpack(record[2:], boot, self.first_sequence + i - 1)
