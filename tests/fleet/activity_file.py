"""The example fleet's activity file, vehicle register, consumption samples and invoices."""

from datetime import timedelta

from tests.fleet.load import random_of

PARAMETERS = (
    (
        "fuel_consumption",
        "moto",
        "18.1",
        "g/km",
        "GACMO value in ICAT data; illustrative",
    ),
    ("net_calorific_value", "", "44.3", "MJ/kg", "IPCC 2006, volume 2, table 1.2"),
    ("fuel_emission_factor", "", "69.3", "gCO2/MJ", "IPCC 2006, volume 2, table 1.4"),
    ("improvement_rate", "", "0.99", "1", "AMS-III.C default; illustrative"),
    (
        "electricity_emission_factor",
        "grid",
        "0.60",
        "kgCO2/kWh",
        "illustrative, not published",
    ),
    ("electricity_emission_factor", "pv", "0", "kgCO2/kWh", "direct emissions of solar power"),
    ("transmission_loss", "", "0.10", "1", "illustrative"),
    ("maximum_distance", "moto", "30000", "km/a", "illustrative"),
)

HEAD = """# An example: its parameters are illustrative and not those of any activity.
format = "meterseal-activity"
version = 1
id = "{activity}"
title = "Electric motorcycles and charging stations, example activity"
host_party = "KHM"
acquiring_party = "KOR"
proponent = "Example operator"
sector = "Transport"
start_year = 2025
time_zone = "Asia/Phnom_Penh"
utc_offset = "+07:00"
max_interval_s = {max_interval_s}
meter_boundary = "ac_charger_input"
methodology = "ams-iii-c"

[inputs]
vehicles = "vehicles.csv"
consumption_samples = "samples.csv"
invoices = "invoices.csv"

[allocation]
rule = "pro_rata"

[[allocation.holders]]
name = "Korea"
party = "KOR"
weight = 400

[[allocation.holders]]
name = "Cambodia"
party = "KHM"
weight = 68

[[allocation.holders]]
name = "Operator"
weight = 212

[[target]]
name = "All reductions"
tonnes = 680000
from_year = 2026
until_year = 2035

[[target]]
name = "For Korea"
holder = "Korea"
tonnes = 400000
from_year = 2026
until_year = 2035
"""


def write(folder, fleet):
    """The four files of an activity."""
    plan = fleet.plan
    text = HEAD.format(activity=plan.activity, max_interval_s=plan.max_interval_s)
    for name, subject, value, unit, source in PARAMETERS:
        text += f'\n[[parameter]]\nname = "{name}"\n'
        text += f'for = "{subject}"\n' if subject else ""
        text += f'value = "{value}"\nunit = "{unit}"\nsource = "{source}"\nversion = "1"\n'
        text += (
            'valid_from = 2025-01-01\nvalid_to = 2035-12-31\napproved_by = "Example approver"\n'
        )
    (folder / "activity.toml").write_text(text)
    (folder / "vehicles.csv").write_text(vehicles(plan, fleet.vehicles))
    (folder / "samples.csv").write_text(samples(plan))
    (folder / "invoices.csv").write_text(invoices(fleet))


def vehicles(plan, count):
    """Vehicle register: pseudonyms."""
    lines = ["vehicle,vehicle_class,battery_class,from,until"]
    first = plan.first - timedelta(days=60)
    lines += [f"EM{i:06d},moto,72V40Ah,{first},2035-12-31" for i in range(count)]
    return "\n".join(lines) + "\n"


def samples(plan):
    """Specific consumption around 35 Wh/km at the charger's input."""
    random = random_of(plan.seed, "samples")
    lines = ["vehicle_class,date,boundary,distance_m,energy_wh"]
    for i in range(60):
        distance_m = int(random.integers(150_000, 400_000))
        energy_wh = distance_m * int(random.integers(31_000, 39_000)) // 1_000_000
        day = plan.first + timedelta(days=i % 28)
        lines.append(f"moto,{day},ac_charger_input,{distance_m},{energy_wh}")
    return "\n".join(lines) + "\n"


def invoices(fleet):
    """The utility's bill for the first station and the first month."""
    station, plan = fleet.stations[0], fleet.plan
    last = min(
        plan.last,
        (plan.first.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1),
    )
    index = ((last - plan.first).days + 1) * 86_400 // plan.read_interval_s
    line = station.lines[0]
    energy = (line.milliwh(index) - line.milliwh(0)) // 1_000_000
    return f"station,from,until,energy_kwh\n{station.id},{plan.first},{last},{energy}\n"


def two_grid_factors(path):
    """The grid's emission factor has another version in the second year."""
    head, *parts = path.read_text().split("[[parameter]]")
    grid = next(one for one in parts if 'for = "grid"' in one)
    old = grid.replace("valid_to = 2035-12-31", "valid_to = 2026-12-31")
    new = grid.replace("valid_from = 2025-01-01", "valid_from = 2027-01-01")
    parts[parts.index(grid)] = "[[parameter]]".join([old, new.replace('"0.60"', '"0.30"')])
    path.write_text("[[parameter]]".join([head, *parts]))
