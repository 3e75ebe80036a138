"""The batch that every defect is put into, and the ways to put it there.

A defect is (id, error code, payload); a payload is a map for `encode`, or bytes as they stand.
The base has two meters, a recovered group, absences, a patch, events and losses, so that each
rule has something to be broken at; it is valid itself and stands among the valid batches.
"""

import copy
import hashlib

import vec_batch
from vec_cbor import encode
from vec_inputs import batch, context, meter, raw_series
from vec_p256 import DEVICE

FIRST = meter(
    "first-meter",
    1,
    [(4, 0x0048, 2, 0), (4, 0x0000, 2, 0)],
    serial=[(3, 0xFC00, "0131f2a7")],
)
SECOND = meter("second-meter", 2, [(3, 0x0010, 1, 0)], setup=[(3, 0x0001, "0005")])
LAST_HASH = hashlib.sha256(b"the last lost batch").digest()
EDGE = ["first-meter", 1, 4, 0x0048, bytes.fromhex("000003e8")]

# Groups of the base: boot 2 meter 0 (361..366), boot 3 meter 0 (367..370), boot 3 meter 1 (371).
GROUP_A, GROUP_B, GROUP_C = 0, 1, 2


def base_input():
    """Return the input of the base."""
    contexts = [context(2, FIRST), context(3, FIRST, SECOND)]
    jumps = [0, 0, 0, 9_000_000, 0, 0]
    old = raw_series([[10 * i + jumps[i], 2_300 + i] for i in range(6)], FIRST["columns"], 361)
    old[2].update(present=1, status=1, flags=4, words_hex=old[2]["words_hex"][:8] + "00000000")
    old[4].update(present=1, status=129, flags=4, words_hex=old[4]["words_hex"][:8] + "00000000")
    new = raw_series([[77 + 3 * i * i, 2_300] for i in range(4)], FIRST["columns"], 367, context=1)
    one = raw_series([[5]], SECOND["columns"], 371, context=1, meter=1)
    return batch(
        contexts,
        old + new + one,
        anchors=[[2, 5_000, 1_789_000_000_000, 3, 900], [3, 12_000, 1_790_000_012_000, 5, 180]],
        events=[[1, 3, 0, [5, 2]], [5, 3, 100, [0, 1]], [8, 3, 200, [1]]],
        lost=[
            [0, 2, 4, 1, LAST_HASH, 61, 240, [EDGE], [EDGE]],
            [1, 351, 360, 2, b"", 351, 360, [], []],
        ],
        health={0: 61_440, 3: [[4, 0, 0, 0, 0, 0], [1, 0, 0, 0, 0, 0]]},
        extra={21: [[bytes(8), 3, 50]]},
    )


def base():
    """Return the payload of the base, free to be changed."""
    return copy.deepcopy(vec_batch.payload_map(base_input()))


def first_base():
    """Return the payload of a batch 1, free to be changed."""
    payload = base()
    for key in (3, 15):
        del payload[key]
    payload.update({2: 1, 17: {0: 0, 1: bytes(32)}})
    return payload


def later_first_base():
    """Return the payload of batch 1 of a second chain, free to be changed."""
    payload = first_base()
    payload[17] = {0: 1, 2: bytes(16), 3: 41, 4: bytes(32)}
    return payload


def put(payload, path, value):
    """Return the payload with `value` at the path, behind the end of an array if need be."""
    target = payload
    for step in path[:-1]:
        target = target[step]
    if isinstance(target, list) and path[-1] >= len(target):
        target.extend([] for _ in range(path[-1] + 1 - len(target)))
    target[path[-1]] = value
    return payload


def cut(payload, path):
    """Return the payload without what is at the path."""
    target = payload
    for step in path[:-1]:
        target = target[step]
    del target[path[-1]]
    return payload


def longer(payload, path, full):
    """Return the payload with more than `full` items, or one more, in the array at the path."""
    target = payload
    for step in path:
        target = target[step]
    target.extend([] for _ in range(full - len(target)))
    target.append(0)
    return payload


def swapped(payload, path, i=0, j=1):
    """Return the payload with two items of the array at the path exchanged."""
    target = payload
    for step in path:
        target = target[step]
    target[i], target[j] = target[j], target[i]
    return payload


def sealed(payload):
    """Return the batch of a payload, signed as it must be."""
    data = payload if isinstance(payload, bytes) else encode(payload)
    return vec_batch.seal(data, DEVICE)[0]
