"""Register dumps that others captured or printed, with their sources; used by `generate.py`."""


def register(function, address, data):
    """One run of registers of a dump."""
    words = [data[i : i + 2].hex().upper() for i in range(0, len(data), 2)]
    return {"fn": int(function), "addr": f"0x{int(address):04X}", "words": words}


def dds238(name, frame, **expected):
    """A frame that users of the DDS238-2 captured; Tasmota's driver prints it as a comment."""
    data = bytes.fromhex(frame)
    assert data[:3] == b"\x01\x03\x24" and len(data) == 41
    return {
        "name": name,
        "class": "captured",
        "source": (
            "arendst/Tasmota, xnrg_09_dds2382.ino: answers of a user's DDS238-2 ZN/S to a read "
            "of 18 registers (issues 6384, 6531). Expected values by the register table of "
            "fawno/Modbus; the log beside the second frame agrees in all that it prints"
        ),
        "frame": frame,
        "registers": [register(3, 0, data[3:39])],
        "expected": expected,
    }


LITERAL = {
    "hiking-dds238": [
        dds238(
            "user's meter, 1016 W",
            "01032400001C7B000000000000000000000000000004F300001788097701A603F8007003E1138A63ED",
            energy_import_wh=60_240_000,
            energy_export_wh=12_670_000,
            power_w=1_016_000,
            voltage_l1_v=242_300,
            current_l1_a=4_220,
            frequency_hz=50_020,
        ),
        dds238(
            "user's meter, 1199 W",
            "01032400001CAD000000000000000000000000000004F3000017BA097701F104AF006C03E3138641A2",
            energy_import_wh=60_740_000,
            energy_export_wh=12_670_000,
            power_w=1_199_000,
            voltage_l1_v=242_300,
            current_l1_a=4_970,
            frequency_hz=49_980,
        ),
    ],
    "eastron-sdm120": [
        {
            "name": "230.2 V",
            "class": "vendor example",
            "source": (
                "Eastron, SDM320Y user manual V1.0, page 42: answer 01 04 04 43 66 33 34 1B 38 "
                "= 230.2; arendst/Tasmota, xnrg_21_sdm230.ino, prints it as the voltage"
            ),
            "frame": "010404436633341B38",
            "registers": [{"fn": 4, "addr": "0x0000", "words": ["4366", "3334"]}],
            "expected": {"voltage_l1_v": 230_200},
        }
    ],
    "eastron-sdm630": [
        {
            "name": "42.23",
            "class": "third-party fixture",
            "source": (
                "Tinkerforge/esp32-firmware, meters_rs485_bricklet/fake_modbus_meter.py: "
                "answers 42.23 as a float, high word first, to every read"
            ),
            "registers": [{"fn": 4, "addr": "0x0034", "words": ["4228", "EB85"]}],
            "expected": {"power_w": 42_230},
        }
    ],
}
