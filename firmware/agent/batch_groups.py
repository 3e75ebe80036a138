"""Groups of readings: one for each boot and meter epoch (WIRE_FORMAT.md section 4.2).

Pure. A value that was not obtained is listed as absent and never written as zero; a value that
was obtained is never left out. Columns are built one at a time and written at once, so that only
one of them is held as integers; the readings themselves are asked for again for each.
"""

from array import array

from agent import cbor
from agent.columns import encode_column, register_value, wire_integers
from agent.constant import const
from agent.errors import BatchError
from agent.reading import MAX_COLUMNS, words_len

_COUNTER_BITS = const(64)  # modulus of `sequence` and `time`
_NOWHERE = (MAX_COLUMNS, 0, 0)  # a bit that `present` never has


class _Layout:
    """Where the columns of one meter of one context stand in `Reading.words`."""

    def __init__(self, epoch, columns):
        self.epoch = epoch
        self.length = words_len(columns)
        self.places = {}  # (function, address, count) -> (bit in `present`, offset, order)
        offset = 0
        for bit in range(len(columns)):
            function, address, count, order = columns[bit]
            self.places[(function, address, count)] = (bit, offset, order)
            offset += 2 * count


class _Members:
    """(layout, reading) of the readings of one group, made when they are walked."""

    def __init__(self, rows, layouts):
        self.places = array("H")
        self._rows = rows
        self._layouts = layouts

    def __len__(self):
        return len(self.places)

    def __iter__(self):
        for i in self.places:
            context, reading = self._rows[i]
            yield self._layouts[context][reading.meter], reading


def _layouts(contexts, indices):
    """Layouts of each context's meters; those of many short boots are the same list."""
    found = []
    for c in range(len(contexts)):
        meters = contexts[c].meters
        if c and meters is contexts[c - 1].meters:
            found.append(found[-1])
        else:
            found.append([_Layout(indices[c][m], meters[m].columns) for m in range(len(meters))])
    return found


def group_rows(contexts, indices, rows):
    """[((boot, epoch), members), ...] by (boot, epoch); rows keep their order."""
    layouts = _layouts(contexts, indices)
    groups = {}
    for i in range(len(rows)):
        context, reading = rows[i]
        if reading.meter >= len(layouts[context]):
            raise BatchError(
                "batch-meter",
                "expected a meter index below %d, found %d"
                % (len(layouts[context]), reading.meter),
            )
        layout = layouts[context][reading.meter]
        if len(reading.words) != layout.length:
            raise BatchError(
                "batch-words",
                "reading %d: expected %d bytes of words, found %d"
                % (reading.sequence, layout.length, len(reading.words)),
            )
        key = (reading.boot, layout.epoch)
        if key not in groups:
            groups[key] = _Members(rows, layouts)
        groups[key].places.append(i)
    return [(key, groups[key]) for key in sorted(groups)]


def append_groups(out, groups):
    """Append `groups` (payload key 13) to a bytearray."""
    cbor.append_array_head(out, len(groups))
    for (boot, epoch), members in groups:
        _append_group(out, boot, epoch, members, len(groups) == 1)


def _append_group(out, boot, epoch, members, alone):
    cbor.append_array_head(out, 7)
    for value in (epoch, boot, len(members)):
        cbor.append(out, value)
    sequence = () if alone else [r.sequence for _, r in members]
    cbor.append(out, sequence and wire_integers(sequence, _COUNTER_BITS))
    cbor.append(out, wire_integers([r.t_100ms for _, r in members], _COUNTER_BITS))
    cbor.append(out, _quality(members))
    columns = _obtained(members)
    cbor.append_array_head(out, len(columns))
    for key in sorted(columns):
        _append_column(out, key, columns[key], members)


def _quality(members):
    return [
        (i, reading.status, reading.flags)
        for i, (_, reading) in enumerate(members)
        if reading.status or reading.flags
    ]


def _obtained(members):
    """(function, address, count) -> order, of the columns that have at least one value."""
    columns = {}
    before = seen = None
    for layout, reading in members:
        if layout is before and reading.present == seen:
            continue
        before, seen = layout, reading.present
        for key in layout.places:
            bit, _, order = layout.places[key]
            if (seen >> bit) & 1 and key not in columns:
                columns[key] = order
    return columns


def _append_column(out, key, order, members):
    function, address, count = key
    values = []
    absent = []
    before = bit = start = None
    for layout, reading in members:
        if layout is not before:
            bit, start, _ = layout.places.get(key, _NOWHERE)
            before = layout
        if (reading.present >> bit) & 1:
            values.append(register_value(reading.words[start : start + 2 * count], order))
        else:
            absent.append(len(values) + len(absent))
    cbor.append(out, encode_column(function, address, count, order, values, absent))
