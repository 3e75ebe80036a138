"""Meter epochs of one batch (WIRE_FORMAT.md section 4.1). Pure; what is entered stays."""

from agent.constant import const
from agent.errors import BatchError

_MAX_METERS = const(32)


class MeterTable:
    """Meter epochs of a batch in the order of the contexts, no two alike (section 4.1)."""

    def __init__(self):
        self.epochs = []

    def add(self, context):
        """Table index of each meter of a context."""
        return [self._index(meter) for meter in context.meters]

    def would_hold(self, context):
        """Whether the table has room for the meters of this context."""
        new = [meter for meter in context.meters if _epoch(meter) not in self.epochs]
        return len(self.epochs) + len(new) <= _MAX_METERS

    def _index(self, meter):
        epoch = _epoch(meter)
        if epoch not in self.epochs:
            if len(self.epochs) == _MAX_METERS:
                raise BatchError(
                    "batch-meters", "expected at most %d meter epochs; seal earlier" % _MAX_METERS
                )
            self.epochs.append(epoch)
        return self.epochs.index(epoch)


def _epoch(meter):
    """`meter` of section 4.1: what makes two meters of two contexts the same epoch."""
    return (meter.profile, meter.profile_hash, meter.unit, meter.identity, meter.setup)
