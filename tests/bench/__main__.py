"""`make bench`: run every bench_*.py beside this file, print one table, write build/bench.json.

Each module has `figures() -> dict[str, float]`. Figures are ratios or exact counts taken in one
run, so that they mean the same on a noisy machine; `AIMS` says how far the project wants to get.
"""

import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent

# name -> ("max" or "min", aim): at most or at least.
AIMS: dict[str, tuple[str, float]] = {
    "sign_mulmods": ("max", 620),
    "wire_bytes_per_reading_energy": ("max", 6.5),
    "wire_bytes_per_reading_4q_int": ("max", 11),
    "wire_bytes_per_reading_4q_float": ("max", 16),
    "verify_ratio_openssl": ("min", 0.70),
    "verify_ratio_openssl_decoded": ("min", 0.55),
    "verify_scaling_2_cores": ("min", 1.8),
    "verify_rss_ratio_1m": ("max", 1.1),
    "collector_singles_per_s": ("min", 3000),
    "collector_sequence_batches_per_s": ("min", 9000),
    "collector_singles_per_s_postgres": ("min", 3000),
    "collector_sequence_batches_per_s_postgres": ("min", 9000),
    "flash_bytes_per_reading_4q": ("max", 46),
    "journal_recovery_full_sector_reads": ("max", 8),
    "journal_days_2mib": ("min", 80),
    "bus_time_ratio_sdm630_9600": ("max", 1.10),
}


def load_figures(path: Path) -> Callable[[], dict[str, float]]:
    """The `figures` function of a benchmark file."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    found: Callable[[], dict[str, float]] = module.figures
    return found


def verdict(name: str, value: float) -> str:
    """The aim and whether it is met, in words; empty where there is no aim."""
    if name not in AIMS:
        return ""
    way, aim = AIMS[name]
    met = value <= aim if way == "max" else value >= aim
    return f"aim {'<=' if way == 'max' else '>='} {aim:g}  {'met' if met else 'MISSED'}"


def main(names: list[str]) -> int:
    """Run the benchmarks whose file name contains one of `names` (all without any)."""
    results: dict[str, float] = {}
    sys.path[:0] = [str(ROOT), str(ROOT / "firmware"), str(ROOT / "tests"), str(HERE)]
    for path in sorted(HERE.glob("bench_*.py")):
        if names and not any(name in path.stem for name in names):
            continue
        print(f"{path.stem} ...", file=sys.stderr)
        results.update(load_figures(path)())
    for name, value in results.items():
        print(f"{name:42} {value:14.4g}  {verdict(name, value)}".rstrip())
    out = ROOT / "build" / "bench.json"
    out.parent.mkdir(exist_ok=True)
    out.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
