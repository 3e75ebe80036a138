"""Reads tests/vectors/*.json one test at a time, as a small board would, on both interpreters."""

import binascii
import json

from agent.reading import Context, Meter, Reading

_HERE = __file__.rsplit("/", 1)[0] if "/" in __file__ else "."
FOLDER = _HERE + "/../vectors/"


def lines(name):
    """Yield the tests of a vector file; a line that begins with {"id" is one test."""
    with open(FOLDER + name) as file:
        for line in file:
            line = line.strip()
            if line.startswith('{"id"') and '"flags"' in line:
                yield json.loads(line[:-1] if line.endswith(",") else line)


def keys(name):
    """Private keys of a vector file: id -> 32 bytes."""
    with open(FOLDER + name) as file:
        return {key["id"]: unhex(key["private_hex"]) for key in json.load(file)["keys"]}


def unhex(text):
    """Bytes of a hexadecimal string."""
    return binascii.unhexlify(text)


def value_of(node):
    """The Python value of the notation of CBOR in JSON (tests/vectors/README.md)."""
    if isinstance(node, list):
        return [value_of(item) for item in node]
    if isinstance(node, dict):
        if list(node) == ["hex"]:
            return unhex(node["hex"])
        return {int(key): value_of(node[key]) for key in node}
    return node


def _registers(items):
    return tuple((function, address, unhex(words)) for function, address, words in items)


def context_of(node):
    """The Context of a vector's input."""
    return Context(node["boot"], [_meter(meter) for meter in node["meters"]])


def _meter(node):
    return Meter(
        node["profile"],
        unhex(node["profile_hash_hex"]),
        node["unit"],
        _registers(node["identity"]),
        _registers(node["setup"]),
        tuple(tuple(column) for column in node["columns"]),
    )


def row_of(node, contexts):
    """(context index, Reading) of a vector's reading."""
    boot = contexts[node["context"]].boot
    reading = Reading(
        node["sequence"],
        boot,
        node["t_100ms"],
        node["meter"],
        node["status"],
        node["flags"],
        node["present"],
        unhex(node["words_hex"]),
    )
    return node["context"], reading


_PLAIN = (
    (2, "number"),
    (4, "boot"),
    (5, "sealed_mono_ms"),
    (6, "first_sequence"),
    (8, "anchors"),
    (9, "firmware"),
    (11, "key_class"),
    (14, "events"),
    (15, "lost"),
    (16, "health"),
)


def fields_of(node):
    """Payload fields of a vector's input, without readings and meters."""
    fields = {key: value_of(node[name]) for key, name in _PLAIN}
    fields[1] = unhex(node["chain_hex"])
    fields[10] = unhex(node["config_hash_hex"])
    if node["previous_hex"] is not None:
        fields[3] = unhex(node["previous_hex"])
    if node["genesis"] is not None:
        fields[17] = value_of(node["genesis"])
    for key in node["extra"]:
        fields[int(key)] = value_of(node["extra"][key])
    return fields
