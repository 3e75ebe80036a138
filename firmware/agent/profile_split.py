"""What to ask instead of a read that a meter refuses because it lacks one of its registers.

Needed only then, see meter_reader. Must never leave a column of the read out.
"""


def halves(read, total):
    """Two reads for one, that of column `total` first."""
    middle = len(read.parts) // 2
    found = [_part(read, read.parts[:middle]), _part(read, read.parts[middle:])]
    if total in [part[0] for part in found[1].parts]:
        found.reverse()
    return found


def _part(read, parts):
    """The read of some of a read's columns; without `longer`: something near is refused."""
    start = min([offset for _, offset, _ in parts])
    count = (max([offset + length for _, offset, length in parts]) - start) // 2
    parts = tuple([(index, offset - start, length) for index, offset, length in parts])
    return type(read)(read.function, read.address + start // 2, count, 0, parts)
