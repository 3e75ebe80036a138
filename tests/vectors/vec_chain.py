"""Content of chain_v1.json: sequences of batches and what a verifier finds in them."""

import hashlib

from vec_inputs import CHAIN, PROVISIONING
from vec_p256 import KEYS, OTHER
from vec_station import OTHER_METER, SECOND_CHAIN, TOTALS, Chain, lost_readings

NOTES = {
    "Sound": "Nothing to be found.",
    "Previous": "Key 3 of a batch.",
    "Numbers": "Batch numbers missing, repeated or used twice.",
    "Lost": "Losses that a batch states.",
    "Sequence": "Sequence numbers missing or used twice.",
    "Register": "The register of `totals` only counts up.",
    "Restart": "A second chain of the same key.",
    "SeveralDevices": "Batches of two keys, each with its own chain.",
}


def sound():
    """Yield sequences without any finding."""
    yield "one", ["Sound"], "the first batch alone", Chain().seals(1), None
    yield "five", ["Sound"], "five batches", Chain().seals(5), None
    chain = Chain()
    chain.seal(readings=0)
    chain.seals(2)
    chain.seal(readings=0)
    yield "without-readings", ["Sound"], "batches 1 and 4 hold none", chain.seals(1), None
    chain = Chain()
    chain.seals(2)
    chain.seal(energy=[5, 9], read_meter=OTHER_METER)
    comment = "the meter was changed: another serial number, a lower register"
    yield "meter-changed", ["Sound", "Register"], comment, chain.seals(1), None
    one, two = Chain(), Chain(key=OTHER, chain_hex=SECOND_CHAIN)
    pairs = zip(one.seals(3), two.seals(3), strict=True)
    mixed = [data for pair in pairs for data in pair]
    comment = "two devices in turn, each with a sound chain"
    yield "two-devices", ["Sound", "SeveralDevices"], comment, mixed, None


def previous():
    """Yield sequences in which key 3 is wrong."""
    for name, comment, value in (
        ("zero", "32 zero bytes", bytes(32)),
        ("of-itself", "a hash of nothing known", hashlib.sha256(b"nothing").digest()),
    ):
        chain = Chain()
        chain.seals(3)
        chain.seal(previous_hex=value.hex())
        yield f"previous-{name}", ["Previous"], comment, chain.seals(1), ("previous-mismatch", 3)
    chain = Chain()
    chain.seals(3)
    chain.seal(previous_hex=chain.hashes[2].hex())
    comment = "the hash of the batch before the one before"
    yield "previous-too-old", ["Previous"], comment, chain.seals(1), ("previous-mismatch", 3)
    chain = Chain()
    chain.seals(2)
    whole = hashlib.sha256(chain.sealed[1]).hexdigest()
    chain.seal(previous_hex=whole)
    comment = "the hash of the whole batch instead of its Sig_structure"
    yield "previous-of-bytes", ["Previous"], comment, chain.sealed, ("previous-mismatch", 2)


def without(batches, *numbers):
    """Return the batches without those of some numbers."""
    return [data for i, data in enumerate(batches) if i + 1 not in numbers]


def gaps():
    """Yield sequences in which batches are missing."""
    for name, missing in (("one", (3,)), ("two", (3, 4)), ("second", (2,))):
        batches = without(Chain().seals(6), *missing)
        finding = "chain-gap", missing[0] - 1
        yield f"gap-{name}", ["Numbers"], f"missing and not stated: {missing}", batches, finding
    for name, comment, where in (
        ("next", "the batch behind the gap states it", 5),
        ("later", "a later batch states it", 6),
    ):
        chain = Chain()
        chain.seals(where - 1)
        chain.seal(lost=[chain.lost_batches(3, 4)])
        batches = without(chain.seals(1), 3, 4)
        yield f"lost-stated-{name}", ["Numbers", "Lost"], comment, batches, None
    chain = Chain()
    chain.seals(5)
    chain.seal(lost=[chain.lost_batches(3, 3), chain.lost_batches(4, 5)])
    comment = "two ranges side by side cover the gap"
    yield "lost-two-ranges", ["Numbers", "Lost"], comment, without(chain.sealed, 3, 4, 5), None
    chain = Chain()
    chain.seals(3)
    chain.seal(lost=[chain.lost_batches(1, 3)])
    comment = "the first batches were overwritten, genesis included"
    yield "lost-from-1", ["Numbers", "Lost"], comment, without(chain.seals(1), 1, 2, 3), None
    chain = Chain()
    chain.seals(4)
    chain.seal(lost=[chain.lost_batches(3, 3)])
    comment = "batch 4 is missing too"
    batches = without(chain.sealed, 3, 4)
    yield "lost-too-short", ["Numbers", "Lost"], comment, batches, ("chain-gap", 2)
    chain = Chain()
    chain.seals(4)
    statement = chain.lost_batches(3, 4)
    statement[4] = hashlib.sha256(b"another batch 4").digest()
    chain.seal(lost=[statement])
    comment = "previous is not the last_hash of the range that ends there"
    batches = without(chain.sealed, 3, 4)
    yield "lost-other-hash", ["Previous", "Lost"], comment, batches, ("previous-mismatch", 2)


def repeated():
    """Yield sequences in which a number comes twice."""
    batches = Chain().seals(3)
    again = [*batches[:2], batches[1], batches[2]]
    yield "replay-last", ["Numbers"], "batch 2 sent twice in a row", again, ("replay", 2)
    again = [*batches, batches[0]]
    yield "replay-first", ["Numbers"], "batch 1 comes again at the end", again, ("replay", 3)
    for name, kept in (("first", 0), ("last", 2), ("middle", 1)):
        chain, twin = Chain(), Chain()
        chain.seals(3)
        twin.seals(kept)
        twin.seal(energy=[twin.energy, twin.energy + 11])
        both = [*chain.sealed, twin.sealed[-1]]
        comment = f"batch {kept + 1} twice with different content, both signed"
        yield f"fork-{name}", ["Numbers"], comment, both, ("chain-fork", 3)
    torn = bytearray(batches[2])
    torn[-70] ^= 1
    damaged = [*batches[:2], bytes(torn), batches[2]]
    comment = "bytes that do not verify claim no number: the proper batch 3 follows"
    yield "damaged-copy", ["Numbers"], comment, damaged, ("signature-invalid", 2)


def sequences():
    """Yield sequences of batches whose readings do not follow on one another."""
    cases = [
        ("gap", "two readings missing, not stated", {"first_sequence": 7}, "sequence-gap"),
        ("overlap", "a sequence number used again", {"first_sequence": 4}, "sequence-overlap"),
        ("from-1", "all sequence numbers again", {"first_sequence": 1}, "sequence-overlap"),
        ("gap-stated", "stated lost", {"first_sequence": 7, "lost": [lost_readings(5, 6)]}, None),
        (
            "gap-half-stated",
            "one of two is stated lost",
            {"first_sequence": 7, "lost": [lost_readings(6, 6)]},
            "sequence-gap",
        ),
        (
            "gap-without-readings",
            "a batch without readings skips numbers",
            {"first_sequence": 9, "readings": 0},
            "sequence-gap",
        ),
    ]
    for name, comment, changes, code in cases:
        chain = Chain()
        chain.seals(2)
        chain.seal(**changes)
        finding = (code, 2) if code else None
        yield f"sequence-{name}", ["Sequence"], comment, chain.seals(1), finding
    chain = Chain()
    chain.seals(2)
    chain.seal(first_sequence=7)
    chain.seal(lost=[lost_readings(5, 6)])
    comment = "a later batch states the lost readings"
    yield "sequence-gap-stated-later", ["Sequence", "Lost"], comment, chain.sealed, None
    chain = Chain()
    chain.seals(4)
    statement = chain.lost_batches(3, 4)
    statement[6] = 7
    chain.seal(lost=[statement])
    comment = "the lost batches are stated, one of their readings is not"
    batches = without(chain.sealed, 3, 4)
    yield "sequence-gap-in-lost", ["Sequence", "Lost"], comment, batches, ("sequence-gap", 2)


def registers():
    """Yield sequences in which a register that only counts up goes down."""
    for name, comment, energy in (
        ("between", "lower than at the end of the batch before", [1_029, 1_050]),
        ("within", "lower than the reading before", [1_040, 1_039]),
        ("to-zero", "the meter was reset", [0, 1]),
    ):
        chain = Chain()
        chain.seals(2)
        chain.seal(energy=energy)
        finding = "register-backward", 2
        yield f"register-{name}", ["Register"], comment, chain.sealed, finding
    chain = Chain()
    chain.seals(2)
    chain.seal(energy=[1_030, 1_030])
    yield "register-stands", ["Register", "Sound"], "no energy flows", chain.seals(1), None


def restarts():
    """Yield sequences in which a second chain begins."""
    for name, comment, state in (
        ("journal-lost", "journal lost, head known", {0: 1}),
        ("operator", "restarted by the operator, head known", {0: 2}),
        ("head-unknown", "journal lost and the head with it", {0: 1, "head": None}),
        (
            "silent",
            "as if it were the first chain of the key",
            {0: 0, 1: PROVISIONING, "head": None},
        ),
    ):
        chain = Chain()
        chain.seals(3)
        genesis = {key: value for key, value in state.items() if key != "head"}
        if "head" not in state:
            genesis.update({2: bytes.fromhex(CHAIN), 3: 3, 4: chain.head})
        after = Chain(chain_hex=SECOND_CHAIN, first_sequence=chain.sequence)
        after.energy = chain.energy
        after.seal(genesis=genesis)
        batches = [*chain.sealed, *after.seals(1)]
        yield f"restart-{name}", ["Restart"], comment, batches, ("chain-restart", 3)
    chain, foreign = Chain(), Chain(chain_hex=SECOND_CHAIN)
    batches = [*chain.seals(2), foreign.seals(2)[1]]
    comment = "batch 2 of another chain, whose batch 1 never came"
    yield "other-chain", ["Restart"], comment, batches, ("chain-mismatch", 2)


def content():
    """Return the content of chain_v1.json."""
    tests = []
    for part in (sound, previous, gaps, repeated, sequences, registers, restarts):
        for name, flags, comment, batches, finding in part():
            error, at = finding or (None, None)
            test = {"id": name, "comment": comment, "flags": flags}
            test["keys"] = ["device", "other"] if "SeveralDevices" in flags else ["device"]
            test["totals"] = TOTALS
            test["batches_hex"] = [data.hex() for data in batches]
            test["expected"] = {"error": error, "at": at}
            tests.append(test)
    keys = [key.describe() for key in KEYS]
    return {"format": 1, "notes": NOTES, "keys": keys, "tests": tests}
