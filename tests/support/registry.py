"""Facts for tests of the registry: a station, a meter's installation, removal and calibration."""

from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from meterseal.errors import Error
from meterseal.models import KEY_CLASSES

from support.sealed import private_key, public_bytes, seal

OPERATOR, SECOND = private_key(1001), private_key(1002)
STATION: dict[str, Any] = {
    "station": "kampot-1",
    "name": "Kampot market កំពត",
    "time_zone": "Asia/Phnom_Penh",
    "latitude_e7": 106_103_000,
    "longitude_e7": 1_041_815_000,
    "sources": [{"source": "grid", "share_ppm": 1_000_000}],
    "activity": "kh-moto",
}


def installation(device_id: str, serial: str = "1", **more: Any) -> dict[str, Any]:
    """Fields of a meter-install."""
    return {
        "meter": {"maker": "Eastron", "model": "SDM120", "serial": serial},
        "station": "kampot-1",
        "device_id": device_id,
        "unit_id": 1,
        "profile": "eastron-sdm120",
        "role": "connector",
        "rated_w": 7400,
        "ct_ratio": [1, 1],
        "pt_ratio": [1, 1],
        "accuracy_class": "B",
        "mpe_ppm": 10_000,
        "vehicle_class": "moto",
        "source": "grid",
        "register_wh": 1000,
        "initial_test_sha256": "ab" * 32,
        "from": "2026-01-01T00:00:00Z",
    } | more


def removal(serial: str = "1", **more: Any) -> dict[str, Any]:
    """Fields of a meter-remove."""
    return {
        "meter": {"maker": "Eastron", "serial": serial},
        "register_wh": 5000,
        "final_test_sha256": "cd" * 32,
        "until": "2026-04-01T00:00:00Z",
        "reason": "display dead",
    } | more


def calibration(serial: str = "1", **more: Any) -> dict[str, Any]:
    """Fields of a calibration."""
    return {
        "meter": {"maker": "Eastron", "serial": serial},
        "calibrated_at": "2025-06-01T00:00:00Z",
        "valid_until": "2031-06-01T00:00:00Z",
        "certificate_sha256": "ef" * 32,
        "mpe_ppm": 10_000,
        "error_found_ppm": -2000,
    } | more


def set_aside(serial: str = "1", **more: Any) -> dict[str, Any]:
    """Fields of a set-aside: readings that cannot be right."""
    return {
        "meter": {"maker": "Eastron", "serial": serial},
        "from": "2026-03-01T00:00:00Z",
        "until": "2026-03-01T01:00:00Z",
        "reason": "read while the meter was being rewired",
    } | more


def statement(old: ec.EllipticCurvePrivateKey, new: ec.EllipticCurvePrivateKey) -> bytes:
    """What an old device key signs about its successor."""
    return seal({0: 1, 1: public_bytes(new)}, old, 65003)[0]


def proof(key: ec.EllipticCurvePrivateKey, key_class: str = "software") -> dict[str, str]:
    """Fields `nonce` and `proof` of an enrolment: the key has signed a nonce."""
    nonce = bytes(range(32))
    payload = {0: 1, 1: nonce, 2: public_bytes(key), 3: KEY_CLASSES.index(key_class)}
    return {"nonce": nonce.hex(), "proof": seal(payload, key, 65002)[0].hex()}


def code_of(run: Any, *arguments: Any) -> str | None:
    """Code with which a call is refused; None if it is not."""
    try:
        run(*arguments)
    except Error as problem:
        return problem.code
    return None
