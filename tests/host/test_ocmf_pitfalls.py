"""What transparency software demands of a record, rule by rule, on records of the firmware.

Numbers are those of two lists: how the signed bytes are made (OCMF 1.4.1, section "signature"),
and what the S.A.F.E. Transparenzsoftware 1.4.1 checks before it says "verified".
"""

import hashlib
import json
import re
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256
from support.session_station import SessionWorld

ENDS = set("ELRAP")


class Made:
    """Sessions with users, restarts, an aborted one, fiscal records with and without a value."""

    def __init__(self) -> None:
        world = SessionWorld(fiscal_interval_s=300).boot()
        for who in ("", "04A2|B3", "\u0e02\u0e2d\u0e19", "x" * 64):
            world.charge(who=who)
            world.clock_source = None if world.clock_source else 5
            world.closed = True
            world.step()
            world.boot()
            world.step()
            world.closed = False
            world.step()
        world.closed, world.watts = True, 6000
        world.step()
        for _ in range(20):
            world.step(status=1)
        world.closed = False
        world.step()
        world.finish()
        self.records: list[str] = world.records()
        self.public_65: bytes = world.keystore.signer().public_65
        self.payloads = [
            json.loads(one.split("|")[1], parse_float=Decimal) for one in self.records
        ]
        self.sessions = [one for one in self.payloads if one["PG"][0] == "T"]
        self.fiscal = [one for one in self.payloads if one["PG"][0] == "F"]


@pytest.fixture(scope="module")
def made() -> Made:
    found = Made()
    assert len(found.sessions) == 9 and len(found.fiscal) > 10
    return found


def begin(one: dict[str, Any]) -> dict[str, Any]:
    return one["RD"][0]


def end(one: dict[str, Any]) -> dict[str, Any]:
    return one["RD"][-1]


def moment(item: dict[str, Any]) -> datetime:
    return datetime.strptime(item["TM"][:-2], "%Y-%m-%dT%H:%M:%S,%f%z")


class TestSignedBytes:
    def test_1_the_payload_exactly_as_it_stands(self, made: Made) -> None:
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), made.public_65)
        for record in made.records:
            _, payload, section = record.split("|")
            signature = bytes.fromhex(json.loads(section)["SD"])
            key.verify(signature, payload.encode(), ec.ECDSA(SHA256()))
            with pytest.raises(InvalidSignature):
                key.verify(signature, payload.encode() + b"\n", ec.ECDSA(SHA256()))

    def test_2_one_hash_only(self, made: Made) -> None:
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), made.public_65)
        _, payload, section = made.records[0].split("|")
        digest = hashlib.sha256(payload.encode()).digest()
        signature = bytes.fromhex(json.loads(section)["SD"])
        key.verify(signature, digest, ec.ECDSA(utils.Prehashed(SHA256())))

    def test_3_der_with_minimal_integers(self, made: Made) -> None:
        for record in made.records:
            raw = bytes.fromhex(json.loads(record.split("|")[2])["SD"])
            assert raw == utils.encode_dss_signature(*utils.decode_dss_signature(raw))
            assert len(raw) != 64

    def test_layout_two_pipes_ascii_one_line_no_key_twice(self, made: Made) -> None:
        def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
            assert len(dict(pairs)) == len(pairs)
            return dict(pairs)

        for record in made.records:
            assert record.count("|") == 2 and record.isascii() and record.isprintable()
            json.loads(record.split("|")[1], object_pairs_hook=once)


class TestTransparencySoftware:
    def test_1_header_and_version(self, made: Made) -> None:
        assert all(one.split("|")[0] == "OCMF" for one in made.records)
        assert {one["FV"] for one in made.payloads} == {"1.3"}

    def test_2_page_readings_method(self, made: Made) -> None:
        for record, one in zip(made.records, made.payloads, strict=True):
            assert re.fullmatch("[TF][1-9][0-9]*", one["PG"]) and one["RD"]
            assert json.loads(record.split("|")[2])["SA"] == "ECDSA-secp256r1-SHA256"

    def test_3_what_has_no_end_carries_no_place(self, made: Made) -> None:
        """A fiscal record is judged by its signature alone: nothing makes it a transaction."""
        assert all("TX" not in item for one in made.fiscal for item in one["RD"])
        assert all(len(one["RD"]) == 1 for one in made.fiscal)

    def test_4_one_begin_one_end_one_register(self, made: Made) -> None:
        for one in made.sessions:
            places = [item["TX"] for item in one["RD"]]
            assert places[0] == "B" and places[-1] in ENDS
            assert places.count("B") == 1 and len(ENDS & set(places)) == 1
            assert {item["RI"] for item in one["RD"]} == {"01-00:B0.08.00*FF"}

    def test_5_status_good_and_unit_in_every_reading(self, made: Made) -> None:
        for one in made.sessions:
            assert {(item["ST"], item["RU"]) for item in one["RD"]} == {("G", "kWh")}

    def test_6_the_register_does_not_fall(self, made: Made) -> None:
        assert all(begin(one)["RV"] <= end(one)["RV"] for one in made.sessions)

    def test_7_the_time_does_not_fall(self, made: Made) -> None:
        assert all(moment(begin(one)) <= moment(end(one)) for one in made.sessions)

    def test_8_sync_letters(self, made: Made) -> None:
        letters = {item["TM"][-2:] for one in made.payloads for item in one["RD"]}
        assert letters == {" U", " S"}

    def test_9_no_energy_error_at_begin_and_end(self, made: Made) -> None:
        flags = {item["EF"] for one in made.sessions for item in one["RD"]}
        assert flags == {"", "t"}

    def test_10_level_of_identification_is_no_error(self, made: Made) -> None:
        assert {one["IL"] for one in made.sessions} == {"NONE", "HEARSAY"}

    def test_11_no_event_counters(self, made: Made) -> None:
        assert all("EI" not in item for one in made.payloads for item in one["RD"])

    def test_12_both_ends_in_one_record(self, made: Made) -> None:
        """So nothing has to be joined, and no pair can be joined wrongly."""
        assert all({"B"} < {item["TX"] for item in one["RD"]} for one in made.sessions)

    def test_a_failed_reading_stands_alone(self, made: Made) -> None:
        failed = [one for one in made.fiscal if one["RD"][0]["ST"] != "G"]
        assert failed
        assert all({"RV", "RI", "RU"}.isdisjoint(one["RD"][0]) for one in failed)

    def test_pages_rise_by_one_in_each_context(self, made: Made) -> None:
        for found in (made.sessions, made.fiscal):
            assert [int(one["PG"][1:]) for one in found] == list(range(1, len(found) + 1))

    def test_every_reading_has_all_its_keys(self, made: Made) -> None:
        keys = {"TM", "TX", "RV", "RI", "RU", "RT", "EF", "ST"}
        assert all(set(item) == keys for one in made.sessions for item in one["RD"])
