"""What the device keeps of a meter profile. Apart from `profile`, so that the checking can be
forgotten once the profiles are loaded (see `forget`). Must never hold what the file did not say.
"""

from collections import namedtuple

# `exp10`: to thousandths of the base unit, without the scale factor; `scale_factor`: index into
# `setup` or -1.
Column = namedtuple("Column", "name function address count order kind exp10 scale_factor markers")
# A register of `identity` or `setup`; `expect`: what it must hold, empty if anything.
Register = namedtuple("Register", "name function address count order expect")
Bus = namedtuple(
    "Bus", "baud parity stop_bits max_registers max_hole turnaround_ms timeout_ms min_interval_ms"
)
SunSpec = namedtuple("SunSpec", "model at bases")


class Profile:
    """`columns` and `total` (index of the energy total, None if not chosen), `identity`, `setup`,
    `bus`, `sunspec`.

    `listed`: (function, address, count) of every register in the file: what is known to be
    readable.
    """

    def __init__(self, profile_id, hash_16, bus):
        self.id = profile_id
        self.hash_16 = hash_16
        self.bus = bus
        self.columns = ()
        self.total = None
        self.identity = ()
        self.setup = ()
        self.listed = ()
        self.sunspec = None

    def layout(self):
        """The columns as the context has them: (function, address, count, order)."""
        return tuple((c.function, c.address, c.count, c.order) for c in self.columns)
