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
    {"agent.errors", "agent.log"},
    {
        "agent.cbor",
        "agent.p256",
        "agent.p256_field",
        "agent.decode",
        "agent.clock",
        "agent.modbus.frame",
    },
    {"agent.columns", "agent.profile", "agent.reading", "agent.config"},
    {"agent.batch", "agent.signer", "agent.atecc608", "agent.journal", "agent.modbus"},
    {"agent.keystore", "agent.uplink"},
    {"agent"},
    {"main", "boot", "_boot"},
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
    {"meterseal"},
    {"meterseal.cli", "meterseal.__main__"},
]


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


def wrong_imports(base: Path, layers: list[set[str]]) -> Iterator[str]:
    """One line for each import that points upwards."""
    for path in sorted(base.rglob("*.py")):
        own = module_name(path, base)
        own_layer = layer_of(own, layers)
        if own_layer < 0:
            continue
        for line, name in imports(path, own):
            target = layer_of(name, layers)
            if target > own_layer:
                where = path.relative_to(ROOT)
                yield f"{where}:{line}: {own} must not import {name} (it stands above)"


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
