"""Writes the test vectors of WIRE_FORMAT.md. Slow, literal, and importing neither side.

python tests/vectors/generate.py            write the files beside this script
python tests/vectors/generate.py --check    compare, write nothing, exit 1 at a difference
"""

import argparse
import json
import pathlib
import sys

import vec_batches
import vec_cbor_cases
import vec_chain
import vec_columns_cases
import vec_p256_cases

HERE = pathlib.Path(__file__).resolve().parent

FILES = {
    "cbor_v1.json": vec_cbor_cases.content,
    "columns_v1.json": vec_columns_cases.content,
    "p256_v1.json": vec_p256_cases.content,
    "batch_v1.json": vec_batches.content,
    "chain_v1.json": vec_chain.content,
}


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


def refuse_faults(content, name):
    """Stop where two tests have one id, or a flag has no note, or a note no test."""
    ids = [test["id"] for test in content["tests"]]
    used = {flag for test in content["tests"] for flag in test["flags"]}
    twice = sorted({i for i in ids if ids.count(i) > 1})
    odd = sorted(used ^ set(content["notes"]))
    if twice or odd:
        raise SystemExit(f"{name}: ids used twice: {twice}; flags without note or use: {odd}")


def main(arguments=None):
    """Write or compare every file; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare only")
    check = parser.parse_args(arguments).check
    for name, build in FILES.items():
        content = build()
        refuse_faults(content, name)
        text, path = layout(content), HERE / name
        if not check:
            path.write_text(text, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != text:
            print(f"{name} differs from what generate.py makes", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
