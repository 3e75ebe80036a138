"""The table of meter epochs that the readings of a meter task refer to.

It grows until it is full, by number or by its bytes in the journal; then it begins anew with the
meters as they are, and where even so there is no room, without what the meter was before. Needed
when a meter is met or changes, and forgotten in between (see `forget`). Must never change anything
before the journal has taken the new table.
"""

from .constant import const
from .errors import JournalError, MeterError
from .reading import Meter

_MOST = const(32)


def enter(task, watch, identity, setup):
    """Index of a meter with these registers; an entry that was there before is taken again."""
    reader = watch.reader
    profile = reader.profile
    meter = Meter(profile.id, profile.hash_16, reader.unit, identity, setup, reader.layout())
    for index, known in enumerate(task.meters):
        if known == meter:
            return index
    for kept in (list(range(len(task.meters))), _in_use(task, None), _in_use(task, watch)):
        if len(kept) < _MOST:
            try:
                return _extend(task, kept, meter, watch)
            except JournalError as error:
                if error.code != "journal-too-large":
                    raise
    raise MeterError(
        "meter-epochs",
        "expected room in the table of meters, found none beside %d others; put this one on"
        " another station, or choose fewer quantities" % len(kept),
    )


def _in_use(task, but):
    """Indices of the meters as they are, without that of one watch."""
    return sorted({one.index for one in task.watches if one is not but and one.index is not None})


def _extend(task, kept, meter, watch):
    """Index of the meter in a table of those entries and this one; all as before if that is
    refused.
    """
    meters = [task.meters[index] for index in kept] + [meter]
    task.on_meters(tuple(meters))
    task.meters = meters
    task.owners = [task.owners[index] for index in kept] + [watch]
    for one in task.watches:
        if one.index is not None:
            one.index = kept.index(one.index) if one.index in kept else None
    return len(kept)
