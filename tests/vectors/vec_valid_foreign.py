"""Valid batches that the encoder of section 4.3 would not write and a decoder must accept.

Their `input` is null: nothing has to reproduce them.
"""

from vec_batch import without_empty
from vec_columns import with_base
from vec_defects import GROUP_A, GROUP_B, base, put, swapped

PLAIN = (13, GROUP_B, 6, 1)
VALUES = [77, 80, 89, 104]


def recoded(base_number, width):
    """Return the base whose plain column has another base and width."""
    column = [4, 0x0048, 2, 0, *with_base(VALUES, 32, base_number, width)]
    return put(base(), PLAIN, without_empty(column))


def cases():
    """Yield (id, comment, payload)."""
    yield "column-wider-than-needed", "width 7 where 4 would do", recoded(3, 7)
    yield "column-width-of-the-modulus", "width 32: residuals as they are", recoded(0, 32)
    yield "column-all-patches", "width 0 and a patch for each residual", recoded(2, 0)
    yield "column-base-not-in-window", "a base that no difference has", recoded(-100, 8)
    yield "column-base-wraps", "residuals wrap around the modulus", recoded(4, 4)
    yield "column-least-base", "base -2^31", recoded(-(2**31), 32)
    yield "column-zero-patched", "patch instead of bits at index 3", recoded(3, 3)
    wide = put(base(), (13, GROUP_A, 3), with_base(list(range(361, 367)), 64, 0, 64)[:4])
    yield "sequence-width-64", "the sequences in 64 bits each", wide
    yield "meters-other-order", "the epochs in another order", renumbered()
    yield "events-other-order", "events not in order of time", swapped(base(), (14,), 0, 2)
    yield "lost-other-order", "lost ranges not in order", swapped(base(), (15,))


def renumbered():
    """Return the base with its two meters exchanged and every reference with them."""
    payload = swapped(base(), (12,))
    for group in payload[13]:
        group[0] = 1 - group[0]
    payload[13].sort(key=lambda group: (group[1], group[0]))
    return put(payload, (14, 1, 3), [1, 0])
