"""Words of the report for people, by key; kept apart from code so that they can be translated."""

from typing import Any, Final

WORDS: Final[dict[str, dict[str, str]]] = {
    "kinds": {
        "measured": "Measured without interruption",
        "recovered": "Read before a power cut, sealed after it",
        "year_crossing": "Interval across New Year",
        "unsynchronised": "Station never saw a clock",
        "stated_gap": "Gap that the chain itself states",
        "setup_changed": "Meter set up otherwise than registered",
        "implausible": "Above the rated power",
        "clock_rejected": "Clock went back",
        "forked": "Under a forked chain",
        "backward": "Behind an unexplained decrease",
        "unverified_gap": "Nothing verified covers it",
    },
    "allocation": {
        "pro_rata": "Pro rata by Sainte-Laguë on the cumulative total; no tonne is taken back.",
        "capped": "Pro rata up to each cap; what a cap turns away stays unallocated.",
        "capped_flows_on": "Pro rata up to each cap; what a cap turns away goes to the others.",
        "waterfall": "In the order of the holders, each up to its cap.",
    },
    "consumption_unit": {"ams-iii-c": "kWh/km", "vm0038": "kWh/100 mi"},
}


def grouped(text: str, places: int) -> str:
    """A decimal text cut to some places (never rounded up), with thousands separated."""
    negative = text.startswith("-")
    whole, _, rest = text.lstrip("-").partition(".")
    shown = f"{int(whole):,}" + (f".{rest[:places].ljust(places, '0')}" if places else "")
    return f"-{shown}" if negative else shown


def whole(value: Any) -> str:
    """An integer with thousands separated."""
    return grouped(str(value), 0)


def kwh(text: str) -> str:
    """kWh with one place."""
    return grouped(text, 1)


def mwh(text: str) -> str:
    """MWh with one place, from kWh."""
    whole_kwh = int(text.partition(".")[0])
    return f"{whole_kwh // 1000:,}.{whole_kwh % 1000 // 100}"


def tonnes(text: str) -> str:
    """Tonnes with three places."""
    return grouped(text, 3)


def from_milliwh(value: int) -> str:
    """kWh with three places, from mWh; `-` if there is none."""
    return "-" if value < 0 else f"{value // 10**6:,}.{value % 10**6 // 1000:03d}"
