"""Which reads to send so that a snapshot of a meter takes the least time on the bus.

Each read costs its request, the quiet time and the turnaround of the meter; each register costs
two characters, wanted or not. The best cut of the sorted registers is found exactly (dynamic
programming). Must never ask for more registers than the meter answers, nor bridge more unlisted
ones than its profile allows.
"""

from collections import namedtuple

from agent.constant import const

# `longer`: a larger count that is also readable from `address` (0: none), see
# modbus.base.Client.read.
# `parts`: (index of the column, byte offset in the reply, length in bytes).
Read = namedtuple("Read", "function address count longer parts")

_FIXED_CHARS = const(13)  # request 8; reply: unit, function, byte count, CRC
_NEVER = 1 << 40


def read_us(count, line, turnaround_ms):
    """Bus time of one read: quiet time, request, turnaround, reply."""
    return line.quiet_us + (_FIXED_CHARS + 2 * count) * line.char_us + 1000 * turnaround_ms


def plan(columns, listed, bus, line):
    """Reads that bring every register of `columns` (sorted) in the least time.

    `columns`: objects with `function`, `address`, `count`; `listed`: `Profile.listed`; `bus`:
    `Profile.bus`.
    """
    cuts = _best_cuts(columns, listed, bus, line)
    reads = [_read(columns, first, last, listed, bus) for first, last in cuts]
    spacer_us = read_us(spacers(listed, bus)[0][2], line, bus.turnaround_ms)
    return tuple(_unlike_neighbours(reads, spacer_us // (2 * line.char_us)))


def spacers(listed, bus):
    """Two short reads of different shapes, see modbus.base.Client.add_unit.

    Where all listed registers have one shape, the second may be refused: an answer all the same.
    """
    shortest = sorted(listed, key=lambda place: (place[2], place))
    function, address, count = first = shortest[0]
    for other in shortest:
        if (other[0], other[2]) != (function, count):
            return first, other
    for place in listed:
        longer = _longer(*place, listed, bus)
        if longer:
            return first, (function, place[1], longer)
    return first, (function, address, 2 if count == 1 else 1)


def _best_cuts(columns, listed, bus, line):
    """[(first, last)] of the columns of each read."""
    best = [(0, 0)]  # least time for the first n columns, and where their last read begins
    for end in range(1, len(columns) + 1):
        choices = []
        for first in range(end):
            count = _span(columns, first, end - 1, listed, bus)
            if count:
                choices.append((best[first][0] + read_us(count, line, bus.turnaround_ms), first))
        best.append(min(choices) if choices else (_NEVER, end - 1))
    cuts = []
    end = len(columns)
    while end:
        first = best[end][1]
        cuts.append((first, end - 1))
        end = first
    cuts.reverse()
    return cuts


def _span(columns, first, last, listed, bus):
    """Registers of one read over these columns, 0 if the meter would not answer it. A single
    column always may.
    """
    start, end = columns[first], columns[last]
    if start.function != end.function:
        return 0
    stop = max(c.address + c.count for c in columns[first : last + 1])
    count = stop - start.address
    if first == last:
        return count
    holes = unlisted(start.function, start.address, count, listed)
    return count if count <= bus.max_registers and holes <= bus.max_hole else 0


def unlisted(function, address, count, listed):
    """How many of these registers the profile does not list."""
    known = 0
    for other, start, length in listed:
        if other == function:
            known += max(0, min(start + length, address + count) - max(start, address))
    return count - known


def _read(columns, first, last, listed, bus):
    function, address = columns[first].function, columns[first].address
    count = max(c.address + c.count for c in columns[first : last + 1]) - address
    parts = tuple(
        (i, 2 * (columns[i].address - address), 2 * columns[i].count)
        for i in range(first, last + 1)
    )
    return Read(function, address, count, _longer(function, address, count, listed, bus), parts)


def _longer(function, address, count, listed, bus):
    """The smallest larger count that ends with a listed register; 0 if there is none."""
    longer = 0
    for other, start, length in listed:
        wanted = start + length - address
        if other != function or not count < wanted <= bus.max_registers:
            continue
        if unlisted(function, address, wanted, listed) <= bus.max_hole:
            longer = min(longer or wanted, wanted)
    return longer


def _unlike_neighbours(reads, spacer_registers):
    """The reads in an order in which consecutive ones ask for different numbers of registers, as
    far as may be.

    Snapshots follow each other, so the first comes after the last. Each read goes where it costs
    least: registers more that have to be asked for, or a spacer, which takes as long as so many.
    """
    ordered = []
    for read in reads:
        orders = [ordered[:at] + [read] + ordered[at:] for at in range(len(ordered) + 1)]
        ordered = min(orders, key=lambda order: _cost(order, spacer_registers))
    return ordered


def _cost(order, spacer_registers):
    """In registers; of two rounds, as where counts alternate the second is not like the first."""
    cost = 0
    before = None
    for read in order + order:
        asked = (read.function, read.count)
        if asked == before and read.longer:
            cost += read.longer - read.count
            asked = (read.function, read.longer)
        elif asked == before:
            cost += spacer_registers
        before = asked
    return cost


def total_first(reads, total):
    """Turned round, not sorted: neighbours stay neighbours (see above)."""
    for number, read in enumerate(reads):
        if total in [part[0] for part in read.parts]:
            return reads[number:] + reads[:number]
    return reads


def offsets(columns):
    """Byte offset of each column in `Reading.words`, and their end."""
    offsets = [0]
    for column in columns:
        offsets.append(offsets[-1] + 2 * column.count)
    return offsets
