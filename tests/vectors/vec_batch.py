"""A batch from the `input` of a vector, step by step after WIRE_FORMAT sections 2 to 4."""

import hashlib

import vec_columns
from vec_cbor import encode, to_json
from vec_p256 import sign_64

BATCH, ROLLOVER, RECEIPT = 65001, 65003, 65004


def meter_wire(meter):
    """Return the wire array of a meter of a context."""
    return [
        meter["profile"],
        bytes.fromhex(meter["profile_hash_hex"]),
        meter["unit"],
        [[fn, address, bytes.fromhex(words)] for fn, address, words in meter["identity"]],
        [[fn, address, bytes.fromhex(words)] for fn, address, words in meter["setup"]],
    ]


def meters_wire(contexts):
    """Return the distinct meters of all contexts, in the order in which they first appear."""
    meters = []
    for context in contexts:
        for meter in context["meters"]:
            if meter_wire(meter) not in meters:
                meters.append(meter_wire(meter))
    return meters


def as_integer(words, order):
    """Return the unsigned integer of the words under the permutation of section 4.2."""
    pairs = [words[i : i + 2] for i in range(0, len(words), 2)]
    if order & 1:
        pairs = pairs[::-1]
    if order & 2:
        pairs = [pair[::-1] for pair in pairs]
    return int.from_bytes(b"".join(pairs), "big")


def column_values(reading, columns):
    """Return {column: integer} of the columns that the reading has."""
    words, values, offset = bytes.fromhex(reading["words_hex"]), {}, 0
    for i, column in enumerate(columns):
        size = 2 * column[2]
        if reading["present"] >> i & 1:
            values[tuple(column)] = as_integer(words[offset : offset + size], column[3])
        offset += size
    assert offset == len(words), reading
    return values


def column_wire(column, rows):
    """Return the wire array of one column over the rows {column: integer} of a group."""
    values = [row[column] for row in rows if column in row]
    absent = [i for i, row in enumerate(rows) if column not in row]
    bits = 16 * column[2]
    return without_empty([*column, *vec_columns.encode_integers(values, bits), absent])


def without_empty(members):
    """Return the array without the empty arrays at its end."""
    while members[-1] == []:
        members = members[:-1]
    return members


def integers_wire(values):
    """Return the wire array of sequence numbers or times."""
    return without_empty(vec_columns.encode_integers(values, 64))


def group_wire(boot, meter, members, alone):
    """Return the wire array of one group; members are (reading, columns of its meter)."""
    readings = [reading for reading, _ in members]
    rows = [column_values(reading, columns) for reading, columns in members]
    present = sorted({column for row in rows for column in row})
    return [
        meter,
        boot,
        len(readings),
        [] if alone else integers_wire([r["sequence"] for r in readings]),
        integers_wire([r["t_100ms"] for r in readings]),
        [
            [i, r["status"], r["flags"]]
            for i, r in enumerate(readings)
            if r["status"] or r["flags"]
        ],
        [column_wire(column, rows) for column in present],
    ]


def groups_wire(contexts, readings):
    """Return the groups, ordered by (boot, meter)."""
    meters, groups = meters_wire(contexts), {}
    for reading in readings:
        context = contexts[reading["context"]]
        meter = context["meters"][reading["meter"]]
        key = context["boot"], meters.index(meter_wire(meter))
        groups.setdefault(key, []).append((reading, meter["columns"]))
    alone = len(groups) == 1
    return [group_wire(boot, meter, groups[boot, meter], alone) for boot, meter in sorted(groups)]


def payload_map(content):
    """Return the payload as a map; `content` is an input whose byte strings are bytes."""
    payload = {
        0: 1,
        1: bytes.fromhex(content["chain_hex"]),
        2: content["number"],
        4: content["boot"],
        5: content["sealed_mono_ms"],
        6: content["first_sequence"],
        7: len(content["readings"]),
        9: content["firmware"],
        10: bytes.fromhex(content["config_hash_hex"]),
        11: content["key_class"],
        12: meters_wire(content["contexts"]),
        13: groups_wire(content["contexts"], content["readings"]),
        16: content["health"],
    }
    if content["previous_hex"] is not None:
        payload[3] = bytes.fromhex(content["previous_hex"])
    if content["genesis"] is not None:
        payload[17] = content["genesis"]
    for key, name in ((8, "anchors"), (14, "events"), (15, "lost")):
        if content[name]:
            payload[key] = content[name]
    payload.update(content["extra"])
    return payload


def input_json(content):
    """Return the input as it stands in the JSON file."""
    names = ("anchors", "events", "lost", "health", "genesis", "extra")
    return {**content, **{name: to_json(content[name]) for name in names}}


def protected_header(kid, content_type=BATCH):
    """Return the encoded protected header."""
    return encode({1: -7, 3: content_type, 4: kid})


def signed_bytes(protected, payload):
    """Return the Sig_structure of RFC 9052 section 4.4."""
    return encode(["Signature1", protected, b"", payload])


def batch_hash(protected, payload):
    """Return the batch hash: the SHA-256 of the Sig_structure."""
    return hashlib.sha256(signed_bytes(protected, payload)).digest()


def cose_sign1(protected, payload, signature):
    """Return the tagged COSE_Sign1."""
    return b"\xd2" + encode([protected, {}, payload, signature])


def seal(payload, key, content_type=BATCH):
    """Return (COSE_Sign1, hash) of the payload bytes under the key."""
    protected = protected_header(key.kid, content_type)
    digest = batch_hash(protected, payload)
    return cose_sign1(protected, payload, sign_64(key.private, digest)), digest
