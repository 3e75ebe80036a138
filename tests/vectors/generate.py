"""Writes the test vectors of WIRE_FORMAT.md. Slow, literal, and importing neither side.

python tests/vectors/generate.py            write the files beside this script
python tests/vectors/generate.py --check    compare, write nothing, exit 1 at a difference
"""

import argparse
import json
import pathlib
import sys

import vec_batch
import vec_cbor
import vec_p256
import vec_valid

HERE = pathlib.Path(__file__).resolve().parent

NOTES = {
    "Genesis": "Number 1 of its chain: key 17, no key 3.",
    "NoReadings": "count is 0 and there are no groups.",
    "Float32": "Register words of IEEE-754 floats, kept as words.",
    "LowWordFirst": "Order 1: the words are reversed before they become an integer.",
    "Int64": "A register value of four words, modulo 2^64.",
    "Setup": "The meter has setup registers.",
    "SeveralMeters": "Several meters: one group for each.",
    "Recovered": "Readings of an earlier boot than the one that sealed.",
    "MeterEpoch": "Contexts name different meters; equal ones appear once in key 12.",
    "Absent": "Values that were not obtained.",
    "Quality": "Status or flags other than 0.",
}


def valid_test(name, flags, comment, content):
    """Return the JSON object of a valid batch."""
    payload = vec_cbor.encode(vec_batch.payload_map(content))
    sealed, digest = vec_batch.seal(payload, vec_p256.DEVICE)
    return {
        "id": name,
        "comment": comment,
        "flags": flags,
        "key": "device",
        "input": vec_batch.input_json(content),
        "payload_hex": payload.hex(),
        "bytes_hex": sealed.hex(),
        "hash_hex": digest.hex(),
        "result": "valid",
        "error": None,
    }


def batch_file():
    """Return the content of batch_v1.json."""
    tests = [valid_test(*case) for case in vec_valid.cases()]
    keys = [key.describe() for key in vec_p256.KEYS]
    return {"format": 1, "notes": NOTES, "keys": keys, "tests": tests}


FILES = {"batch_v1.json": batch_file}


def compact(value):
    """Return one value on one line."""
    return json.dumps(value, ensure_ascii=False, separators=(", ", ": "))


def layout(content):
    """Return the file's text: one member a line, and each element of a list on its own line."""
    members = []
    for name, value in content.items():
        if isinstance(value, list):
            text = "[\n" + ",\n".join(compact(item) for item in value) + "\n]"
        elif isinstance(value, dict):
            lines = [f"{compact(key)}: {compact(item)}" for key, item in value.items()]
            text = "{\n" + ",\n".join(lines) + "\n}"
        else:
            text = compact(value)
        members.append(f"{compact(name)}: {text}")
    return "{\n" + ",\n".join(members) + "\n}\n"


def refuse_duplicates(content, name):
    """Stop where two tests of a file have one id."""
    ids = [test["id"] for test in content["tests"]]
    twice = sorted({i for i in ids if ids.count(i) > 1})
    if twice:
        raise SystemExit(f"{name}: ids used twice: {', '.join(twice)}")


def main(arguments=None):
    """Write or compare every file; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare only")
    check = parser.parse_args(arguments).check
    for name, build in FILES.items():
        content = build()
        refuse_duplicates(content, name)
        text, path = layout(content), HERE / name
        if not check:
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            print(f"{name} differs from what generate.py makes", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
