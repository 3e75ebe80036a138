"""Dependency direction, checked on the imports themselves (see CONTRIBUTING.md).

A module may import only from layers below its own. Run by `make lint`; names each wrong import.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# From the bottom to the top; a name stands for itself and everything below it.
DEVICE_LAYERS: list[set[str]] = [
    {"agent.constant"},
    {"agent.errors", "agent.forget", "agent.log"},
    {
        "agent.cbor",
        "agent.p256",
        "agent.p256_field",
        "agent.decode",
        "agent.clock",
        "agent.modbus.frame",
    },
    {"agent.columns", "agent.foreign", "agent.profile", "agent.reading", "agent.config"},
    {"agent.batch", "agent.signer", "agent.atecc608", "agent.journal", "agent.modbus"},
    {"agent.keystore", "agent.uplink"},
    {"agent"},
    {  # tasks
        "agent.meter_task",
        "agent.seal_task",
        "agent.session_task",
        "agent.update",
        "agent.cabinet",
        "agent.led",
        "agent.uplink.task",
    },
    {"agent.app", "agent.assembly", "agent.tasks", "agent.people", "agent.console"}
    | {"agent.inspect"},
    {"main", "boot", "_boot", "agent.ports"},
]
HOST_LAYERS: list[set[str]] = [
    {"meterseal.errors"},
    {
        "meterseal.wire",
        "meterseal.models",
        "meterseal.profiles",
        "meterseal.decode",
        "meterseal.resources",
    },
    {"meterseal.trust", "meterseal.registry", "meterseal.verify"},
    {  # and the tables of the collector's database, which others read
        "meterseal",
        "meterseal.collector.errors",
        "meterseal.collector.write_lock",
        "meterseal.collector.database",
        "meterseal.collector.schema",
        "meterseal.collector.migrations",
        "meterseal.collector.registry_database",
        "meterseal.provision.image",
        "meterseal.provision.names",
        "meterseal.provision.errors",
    },
    {"meterseal.provision", "meterseal.mrv", "meterseal.export"},
    {"meterseal.collector", "meterseal.report"},
    {"meterseal.demo"},
    {"meterseal.cli", "meterseal.__main__"},
]
# None of these knows another; what they share stands below.
APART = ("meterseal.provision", "meterseal.mrv", "meterseal.export", "meterseal.collector")


def layer_of(module: str, layers: list[set[str]]) -> int:
    """Index of the layer of a module: the longest prefix that a layer names."""
    best, found = -1, -1
    for index, names in enumerate(layers):
        for name in names:
            if (module == name or module.startswith((name + ".", name + "_"))) and len(
                name
            ) > best:
                best, found = len(name), index
    return found


def module_name(path: Path, base: Path) -> str:
    """Dotted name of a file below `base`."""
    parts = list(path.relative_to(base).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path, own: str) -> Iterator[tuple[int, str]]:
    """Line number and dotted name of everything a file imports, relative imports resolved."""
    package = own.split(".") if path.name == "__init__.py" else own.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            prefix = ".".join([*base, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{prefix}.{alias.name}") for alias in node.names)


def apart(own: str, name: str, layers: list[set[str]]) -> bool:
    """Whether both are parts that must not know each other."""
    parts = [next((p for p in APART if one.startswith(p + ".")), "") for one in (own, name)]
    lowest = min(layer_of(part, layers) for part in APART)
    return all(parts) and parts[0] != parts[1] and layer_of(name, layers) >= lowest


def is_wrong(own: str, name: str, layers: list[set[str]]) -> bool:
    """Whether module `own` must not import `name`."""
    own_layer = layer_of(own, layers)
    return own_layer >= 0 and (layer_of(name, layers) > own_layer or apart(own, name, layers))


def wrong_imports(base: Path, layers: list[set[str]]) -> Iterator[str]:
    """One line for each import that points upwards."""
    for path in sorted(base.rglob("*.py")):
        own = module_name(path, base)
        for line, name in imports(path, own):
            if is_wrong(own, name, layers):
                where = path.relative_to(ROOT)
                yield f"{where}:{line}: {own} must not import {name} (it stands above or apart)"


def main() -> int:
    """Check both packages; 0 if every import points downwards."""
    wrong = [
        *wrong_imports(ROOT / "firmware", DEVICE_LAYERS),
        *wrong_imports(ROOT / "host_tools", HOST_LAYERS),
    ]
    print("\n".join(wrong) or "Layers: every import points downwards.")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
