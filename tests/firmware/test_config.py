import unittest

from agent import config
from agent.errors import ConfigError

GOOD = (
    '{"schema": 1, "station_id": "PP-7", "buses": [{"kind": "rtu", "device": "/dev/pts/9"}],'
    ' "meters": [{"profile": "eastron-sdm120"}]'
)


def reader(files):
    def read(name):
        if name not in files:
            raise OSError(2)
        return files[name]

    return read


def load(extra="", secrets=None):
    files = {"config.json": (GOOD + extra + "}").encode()}
    if secrets is not None:
        files["secrets.json"] = secrets
    return config.load(reader(files))


class ConfigTest(unittest.TestCase):
    def refused(self, code, key, extra="", secrets=None):
        with self.assertRaises(ConfigError) as caught:
            load(extra, secrets)
        self.assertEqual((caught.exception.code, caught.exception.fields["key"]), (code, key))
        return caught.exception

    def test_defaults_fill_what_is_absent(self):
        loaded = load()
        self.assertEqual(loaded["read_interval_s"], 60)
        self.assertEqual(loaded["seal_interval_s"], 3600)
        self.assertEqual(loaded["uplink"]["timeout_ms"], 15000)
        self.assertEqual(loaded["meters"][0]["unit_id"], 1)
        self.assertEqual(loaded["buses"][0]["device"], "/dev/pts/9")
        self.assertEqual(loaded["journal"]["policy"], "drop_oldest")

    def test_defaults_are_within_their_own_limits(self):
        for key, kind, default, permitted, help in config.table():
            if kind == "integer" and default != "(required)":
                low, high = permitted.split("..")
                self.assertTrue(int(low) <= int(default) <= int(high), key)
            if kind == "choice":
                self.assertIn(default, permitted.split(" / "))
            self.assertTrue(help, key)

    def test_missing_file(self):
        with self.assertRaises(ConfigError) as caught:
            config.load(reader({}))
        self.assertEqual(caught.exception.code, "config-missing")

    def test_not_json(self):
        for text in (b"", b"[]", b'{"schema": 1', b"\xff\xfe", b"null"):
            with self.subTest(text=text):
                with self.assertRaises(ConfigError) as caught:
                    config.load(reader({"config.json": text}))
                self.assertEqual(caught.exception.code, "config-json")

    def test_unknown_key_names_the_nearest(self):
        error = self.refused("config-unknown-key", "read_intervall_s", ', "read_intervall_s": 60')
        self.assertEqual(error.fields["nearest"], "read_interval_s")
        error = self.refused("config-unknown-key", "uplink.urll", ', "uplink": {"urll": ""}')
        self.assertEqual(error.fields["nearest"], "url")

    def test_wrong_types(self):
        for key, text in (
            ("read_interval_s", '"60"'),
            ("read_interval_s", "60.5"),
            ("read_interval_s", "true"),
            ("read_interval_s", "null"),
            ("log_level", "3"),
            ("quantities", '"power_w"'),
            ("quantities", "[1]"),
            ("uplink.", "[]"),
        ):
            with self.subTest(key=key, text=text):
                self.refused("config-type", key, ', "%s": %s' % (key.rstrip("."), text))

    def test_out_of_range(self):
        for key, text in (
            ("read_interval_s", "0"),
            ("read_interval_s", "3601"),
            ("seal_interval_s", "-1"),
            ("quantities", "[]"),
        ):
            with self.subTest(key=key, text=text):
                self.refused("config-range", key, ', "%s": %s' % (key, text))

    def test_choice(self):
        self.refused("config-choice", "journal.policy", ', "journal": {"policy": "drop"}')

    def test_required(self):
        with self.assertRaises(ConfigError) as caught:
            config.load(reader({"config.json": b'{"schema": 1, "station_id": "a"}'}))
        self.assertEqual(caught.exception.code, "config-required")

    def test_fields_that_contradict_each_other(self):
        self.refused("config-conflict", "max_interval_s", ', "max_interval_s": 30')
        bad_bus = GOOD.replace('"eastron-sdm120"', '"eastron-sdm120", "bus": 1') + "}"
        with self.assertRaises(ConfigError) as caught:
            config.load(reader({"config.json": bad_bus.encode()}))
        self.assertEqual(caught.exception.code, "config-conflict")

    def test_only_https(self):
        self.refused("config-url", "uplink.url", ', "uplink": {"url": "http://c.example"}')

    def test_secret_is_read_apart_and_never_shown(self):
        loaded = load(secrets=b'{"wifi_password": "correct horse"}')
        self.assertEqual(loaded.secrets["wifi_password"], "correct horse")
        self.assertEqual(loaded.hash_8, load().hash_8)
        error = self.refused(
            "config-type", "secrets.wifi_password", secrets=b'{"wifi_password": [77]}'
        )
        self.assertNotIn("77", str(error))
        self.refused("config-unknown-key", "wifi_password", ', "wifi_password": "x"')

    def test_hash_is_of_the_files_bytes(self):
        self.assertEqual(len(load().hash_8), 8)
        self.assertNotEqual(load().hash_8, load(" ").hash_8)


if __name__ == "__main__":
    unittest.main()
