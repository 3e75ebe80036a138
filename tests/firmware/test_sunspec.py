"""SunSpec meters: the block is found wherever it stands, and sealed under its real addresses."""

import unittest

from agent.errors import ModbusMalformed, ModbusTimeout
from agent.modbus.client import Line, RtuClient
from agent.reading import Meter, Reading
from agent.sealer_edges import edges
from agent.session_meter import serial_of
from agent.station_meters import energy_registers
from agent.sunspec import Locator
from fakes.fake_meter import FakeMeter
from fakes.fake_uart import FakeUart
from fakes.meter_station import LOST, Station
from fakes.sample_profiles import description, register, sample
from fakes.virtual_time import VirtualTiming, run

COMMON, MODEL, AT = 40000, 203, 40070
BASES = ["0x9C40", "0x0000", "0xC350"]
TREE = description(
    {
        "energy_import_wh": register(
            AT + 40, "acc32", 3, order="ABCD", unit="Wh", sf="wh_sf", total=True
        ),
        "power_w": register(AT + 20, "s16", 3, unit="W"),
    },
    identity={
        "serial": register(COMMON + 52, "str", 3, count=16),
        "sunspec_model": register(AT, "u16", 3, expect=[MODEL]),
    },
    setup={"wh_sf": register(AT + 54, "s16", 3)},
)
TREE["sunspec"] = {"model": MODEL, "at": "0x%04X" % AT, "bases": BASES}


def chain(base, models, serial=b"A1", energy=1000):
    """(registers, address of the meter's block) of a meter with these (model, length) blocks."""
    held = {(3, base): 0x5375, (3, base + 1): 0x6E53}
    address, at = base + 2, None
    for model, length in models + ((0xFFFF, 0),):
        held[(3, address)], held[(3, address + 1)] = model, length
        held.update({(3, address + 2 + i): 0 for i in range(length)})
        at = address if model == MODEL else at
        address += 2 + length
    held[(3, base + 52)] = serial[0] << 8 | serial[1]
    if at:
        held[(3, at + 41)] = energy
    return held, at


CHAINS = (
    (COMMON, ((1, 66), (MODEL, 105))),
    (COMMON, ((1, 65), (MODEL, 105))),
    (0, ((1, 66), (MODEL, 105))),
    (50000, ((1, 66), (11, 13), (12, 98), (MODEL, 105))),
    (0, ((1, 66), (MODEL, 60))),
)


class Locating(unittest.TestCase):
    def locator(self, held):
        timing = VirtualTiming()
        self.meter = FakeMeter(1, held, Line(9600))
        client = RtuClient(FakeUart(timing, [self.meter]), timing=timing)
        return Locator(sample(TREE).sunspec, client, 1)

    def test_wherever_it_stands(self):
        for base, models in CHAINS:
            held, at = chain(base, models)
            self.assertEqual(run(self.locator(held).find()), (base, at))

    def test_what_is_not_there_is_not_found_and_the_walk_ends(self):
        endless, _ = chain(0, ((1, 66),) + ((11, 1),) * 300)
        other, _ = chain(0, ((1, 66), (103, 50)))
        no_marker, _ = chain(1, ((1, 66), (MODEL, 105)))
        for held in (endless, other, no_marker, {}):
            with self.assertRaises(ModbusMalformed) as caught:
                run(self.locator(held).find())
            self.assertEqual(caught.exception.code, "sunspec-missing")
            self.assertTrue(len(self.meter.asked) < 100)

    def test_a_chain_that_runs_out_of_the_address_space(self):
        held, _ = chain(0, ((1, 66),))
        held[(3, 68)], held[(3, 69)] = 11, 0xFFF0
        with self.assertRaises(ModbusMalformed):
            run(self.locator(held).find())

    def test_a_meter_that_is_silent_where_it_has_nothing(self):
        held, at = chain(50000, ((1, 66), (MODEL, 105)))
        locator = self.locator(held)
        real = self.meter.answer
        self.meter.answer = lambda data: b"" if data[2:4] in (b"\x9c\x40", b"\0\0") else real(data)
        found = []
        for _ in range(3):
            try:
                found.append(run(locator.find(0)))
            except ModbusTimeout as error:
                found.append(error.code)
        self.assertEqual(found, ["modbus-timeout", "modbus-timeout", (50000, at)])


class Sealing(unittest.TestCase):
    def station(self, base, models, **options):
        station = Station(TREE)
        self.plug(station, base, models, **options)
        return station

    def plug(self, station, base, models, **options):
        held, self.at = chain(base, models, **options)
        station.meters[0].registers = held
        station.plug()

    def test_under_its_real_addresses(self):
        for base, models in CHAINS:
            station = self.station(base, models)
            reading = station.poll()
            meter = station.task.meters[0]
            self.assertEqual((reading.status, reading.flags, reading.present), (0, 0, 3))
            self.assertEqual(reading.words, b"\x00\x00\x00\x00\x03\xe8")
            self.assertEqual([c[1] for c in meter.columns], [self.at + 20, self.at + 40])
            self.assertEqual([a for _, a, _ in meter.identity], [base + 52, self.at])
            self.assertEqual(meter.setup, ((3, self.at + 54, b"\0\0"),))
            self.assertEqual(serial_of(station.task.watches[0]), "A1")

    def test_nothing_is_sealed_of_a_meter_that_has_no_such_block(self):
        for models, status in ((((1, 66), (103, 200)), 3),):
            station = self.station(COMMON, models)
            reading = station.poll()
            self.assertEqual((reading.status, reading.present), (status, 0))

    def test_found_again_after_a_loss_although_it_is_elsewhere(self):
        station = self.station(COMMON, CHAINS[0][1])
        station.poll()
        station.unplug()
        for _ in range(4):
            station.poll()
        self.assertEqual(station.events, [(LOST, [0])])
        self.plug(station, 0, CHAINS[3][1], serial=b"B2", energy=7)
        reading = station.poll()
        self.assertEqual((reading.meter, reading.status, reading.words[-2:]), (1, 0, b"\0\7"))
        meter = station.task.meters[1]
        self.assertEqual(meter.columns[1][1], self.at + 40)

    def test_one_that_moved_without_a_loss_is_lost_then_found(self):
        station = self.station(COMMON, CHAINS[0][1])
        station.poll()
        self.plug(station, 0, CHAINS[0][1])
        readings = [station.poll() for _ in range(5)]
        self.assertEqual([r.present for r in readings], [0, 0, 0, 3, 3])
        self.assertEqual(readings[-1].meter, 1)

    def test_the_total_at_the_edges_of_a_loss(self):
        profile = sample(TREE)
        totals = energy_registers({"test-meter": profile})
        layout = ((3, 90, 1, 0), (3, 110, 2, 0))
        identity = ((3, 52, bytes(32)), (3, 70, b"\x00\xcb"))
        meter = Meter("test-meter", bytes(16), 1, identity, (), layout)
        reading = Reading(1, 1, 0, 0, 0, 0, 3, b"\x00\x01\x00\x02\x00\x03")
        self.assertEqual(
            edges([_Context(meter)], [(0, reading)], totals),
            [("test-meter", 1, 3, 110, b"\x00\x02\x00\x03")],
        )


class _Context:
    def __init__(self, meter):
        self.meters = [meter]


if __name__ == "__main__":
    unittest.main()
