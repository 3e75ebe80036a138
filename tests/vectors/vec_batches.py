"""Content of batch_v1.json: every valid batch, and the base with each of its defects."""

import vec_batch
import vec_defects
import vec_invalid_cbor
import vec_invalid_columns
import vec_invalid_envelope
import vec_invalid_schema
import vec_valid
import vec_valid_edges
import vec_valid_foreign
import vec_valid_keys
from vec_cbor import encode
from vec_p256 import DEVICE, KEYS

NOTES = {
    "Genesis": "Number 1 of its chain: key 17, no key 3.",
    "NoReadings": "count is 0 and there are no groups.",
    "Float32": "Register words of IEEE-754 floats, kept as words.",
    "LowWordFirst": "Order 1: the words are reversed before they become an integer.",
    "Int64": "A register value of four words, modulo 2^64.",
    "Setup": "A meter has setup registers.",
    "SeveralMeters": "Several meters: one group for each.",
    "Recovered": "Readings of an earlier boot than the one that sealed.",
    "MeterEpoch": "Contexts name different meters; equal ones appear once in key 12.",
    "Absent": "Values that were not obtained.",
    "Quality": "Status or flags other than 0.",
    "Events": "Key 14.",
    "Anchors": "Key 8.",
    "Lost": "Key 15.",
    "Optional": "Keys 18 to 22.",
    "Extension": "Keys or kinds that version 1 does not know and that are not critical.",
    "Health": "Key 16.",
    "Order": "The permutation of section 4.2, or the order of columns.",
    "Wrap": "A counter passes its end.",
    "NegativeBase": "The base of a column is below zero.",
    "Noise": "Values without any order.",
    "Patches": "Residuals that do not fit the width.",
    "Few": "So few values that nothing is packed.",
    "Text": "Text beyond ASCII.",
    "Extremes": "The least or the most that the format allows.",
    "DecoderOnly": "A decoder must accept it; no encoder of this project writes it.",
    "Base": "The batch that the defects are put into.",
    "Envelope": "Defect of the COSE_Sign1 or of its signature.",
    "Cbor": "Defect of the payload's CBOR.",
    "Schema": "Defect of the payload's keys and values.",
    "Columns": "Defect of columns, sequences or references.",
}


def test(name, comment, flags, **members):
    """Return the JSON object of a test, valid unless `members` says otherwise."""
    empty = {"key": DEVICE.name, "input": None, "payload_hex": None, "bytes_hex": None}
    empty.update({"hash_hex": None, "result": "valid", "error": None})
    return {"id": name, "comment": comment, "flags": flags, **empty, **members}


def valid(name, flags, comment, payload, content=None):
    """Return the test of a valid batch; `content` is the input that it is made of."""
    data = encode(payload)
    sealed, digest = vec_batch.seal(data, DEVICE)
    return test(
        name,
        comment,
        flags,
        input=vec_batch.input_json(content) if content else None,
        payload_hex=data.hex(),
        bytes_hex=sealed.hex(),
        hash_hex=digest.hex(),
    )


def invalid(name, flag, code, data):
    """Return the test of an invalid batch."""
    comment = name.replace("-", " ")
    return test(name, comment, [flag], bytes_hex=data.hex(), result="invalid", error=code)


def valid_tests():
    """Yield the tests of all valid batches."""
    for module in (vec_valid, vec_valid_keys, vec_valid_edges):
        for name, flags, comment, content in module.cases():
            yield valid(name, flags, comment, vec_batch.payload_map(content), content)
    content = vec_defects.base_input()
    comment = "the batch that the defects are put into"
    yield valid("base", ["Base"], comment, vec_batch.payload_map(content), content)
    for name, comment, payload in vec_valid_foreign.cases():
        yield valid(name, ["DecoderOnly"], comment, payload)


def invalid_tests():
    """Yield the tests of all invalid batches."""
    for name, code, data in vec_invalid_envelope.cases():
        yield invalid(name, "Envelope", code, data)
    for module, flag in (
        (vec_invalid_cbor, "Cbor"),
        (vec_invalid_schema, "Schema"),
        (vec_invalid_columns, "Columns"),
    ):
        for name, code, payload in module.cases():
            yield invalid(name, flag, code, vec_defects.sealed(payload))


def content():
    """Return the content of batch_v1.json."""
    keys = [key.describe() for key in KEYS]
    tests = [*valid_tests(), *invalid_tests()]
    return {"format": 1, "notes": NOTES, "keys": keys, "tests": tests}
