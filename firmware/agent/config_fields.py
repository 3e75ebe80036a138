"""The one table of configuration fields: name, kind, default, limits, help, secret or not.

Keys carry their units. Adding a field here is all that is needed: checking (see `config`),
defaults and the README follow. Must never hold a value of a particular station.
"""

INTEGER, TEXT, CHOICE, LIST, SECTION, SECTIONS = (
    "integer",
    "text",
    "choice",
    "list",
    "section",
    "sections",
)
REQUIRED = "(required)"


class Field:
    """One key. INTEGER and TEXT: limits of value or length; CHOICE: `low` is what may be chosen;
    SECTION, SECTIONS: `low` is the table inside; LIST, SECTIONS: `high` is the most entries."""

    def __init__(self, name, kind, default, low, high, help, secret=False):
        self.name = name
        self.kind = kind
        self.default = default
        self.low = low
        self.high = high
        self.help = help
        self.secret = secret

    def default_text(self):
        """The default as the README shows it."""
        return ", ".join(self.default) if self.kind == LIST else str(self.default)

    def permitted_text(self):
        """What is permitted, as the README shows it."""
        if self.kind == CHOICE:
            return " / ".join(self.low)
        if self.kind == LIST:
            return "1..%d entries" % self.high
        return "%d..%d%s" % (self.low, self.high, " characters" if self.kind == TEXT else "")


METER_FIELDS = (
    Field("profile", TEXT, REQUIRED, 1, 64, "profile id: the file profiles/<id>.json"),
    Field("unit_id", INTEGER, 1, 0, 255, "Modbus unit id of the meter"),
    Field("bus", INTEGER, 0, 0, 7, "index into buses"),
    Field("baud", INTEGER, 0, 0, 115200, "rtu: bits a second of this meter; 0: as the bus"),
    Field("parity", CHOICE, "bus", ("bus", "N", "E", "O"), None, "rtu: parity of this meter"),
    Field("stop_bits", INTEGER, 0, 0, 2, "rtu: stop bits of this meter; 0: as the bus"),
    Field(
        "rated_power_w",
        INTEGER,
        100000,
        100,
        10000000,
        "most power that can flow: energy that rises faster is flagged",
    ),
)

BUS_FIELDS = (
    Field(
        "kind", CHOICE, "rtu", ("rtu", "tcp", "rtu_over_tcp"), None, "how the meters are reached"
    ),
    Field("device", TEXT, "", 0, 128, "rtu on a PC: serial device or pty"),
    Field("uart", INTEGER, 1, 1, 2, "rtu on a board: UART number (0 is the console)"),
    Field("tx_pin", INTEGER, 17, 0, 48, "rtu on a board: GPIO of TX"),
    Field("rx_pin", INTEGER, 16, 0, 48, "rtu on a board: GPIO of RX"),
    Field(
        "de_pin",
        INTEGER,
        -1,
        -1,
        48,
        "rtu on a board: GPIO of the driver enable; -1: the transceiver does it",
    ),
    Field("baud", INTEGER, 0, 0, 115200, "rtu: bits a second; 0: as each meter's profile says"),
    Field("parity", CHOICE, "profile", ("profile", "N", "E", "O"), None, "rtu: parity"),
    Field("stop_bits", INTEGER, 0, 0, 2, "rtu: stop bits; 0: as each meter's profile says"),
    Field("host", TEXT, "", 0, 253, "tcp: host name or address"),
    Field("port", INTEGER, 502, 1, 65535, "tcp: port"),
    Field(
        "timeout_ms", INTEGER, 0, 0, 10000, "longest wait for an answer; 0: as the profile says"
    ),
    Field("retries", INTEGER, 2, 0, 5, "further tries of a request that failed"),
)

UPLINK_FIELDS = (
    Field(
        "url",
        TEXT,
        "",
        0,
        200,
        "https:// of the collector or mqtts:// of a broker; empty: keep everything",
    ),
    Field(
        "ca_file",
        TEXT,
        "ca.der",
        1,
        64,
        "certificate of the collector's authority, DER, one certificate",
    ),
    Field(
        "ca_file_next",
        TEXT,
        "",
        0,
        64,
        "certificate of the authority that is to follow it: both count; empty: none",
    ),
    Field("timeout_ms", INTEGER, 15000, 200, 120000, "longest wait for any step of a request"),
    Field(
        "poll_interval_s",
        INTEGER,
        300,
        1,
        86400,
        "how often to call when nothing waits, for the time",
    ),
    Field("retry_min_s", INTEGER, 5, 1, 3600, "first pause after a failure; doubles with each"),
    Field("retry_max_s", INTEGER, 900, 1, 86400, "longest pause after failures"),
    Field(
        "request_max_bytes", INTEGER, 65536, 4096, 1048576, "most bytes of batches in one request"
    ),
)

JOURNAL_FIELDS = (
    Field(
        "policy",
        CHOICE,
        "drop_oldest",
        ("drop_oldest", "stop"),
        None,
        "when full of unacknowledged batches",
    ),
    Field(
        "thin_permille", INTEGER, 800, 100, 1000, "fill from which reading intervals are stretched"
    ),
)

CLOCK_FIELDS = (
    Field("ntp_host", TEXT, "pool.ntp.org", 0, 253, "time server; a candidate only; empty: none"),
    Field(
        "rtc", CHOICE, "internal", ("internal", "ds3231"), None, "clock that runs between boots"
    ),
    Field("sda_pin", INTEGER, 21, 0, 48, "ds3231: GPIO of SDA"),
    Field("scl_pin", INTEGER, 22, 0, 48, "ds3231: GPIO of SCL"),
)

NETWORK_FIELDS = (
    Field(
        "kind",
        CHOICE,
        "wifi",
        ("wifi", "lan"),
        None,
        "how a board reaches the network; a PC is always on it",
    ),
    Field(
        "ssid", TEXT, "", 0, 32, "name of the wireless network; its password is in secrets.json"
    ),
    Field("hostname", TEXT, "meterseal", 1, 32, "name of the board in the network"),
    Field("lan_phy_addr", INTEGER, 0, 0, 31, "lan: address of the PHY"),
    Field("lan_mdc_pin", INTEGER, 23, 0, 48, "lan: GPIO of MDC"),
    Field("lan_mdio_pin", INTEGER, 18, 0, 48, "lan: GPIO of MDIO"),
    Field("lan_power_pin", INTEGER, -1, -1, 48, "lan: GPIO that powers the PHY; -1: none"),
)

UPDATE_FIELDS = (
    Field("owners", LIST, [], None, 2, "owners' public keys, 130 hexadecimal digits; none: never"),
    Field("board", TEXT, "", 0, 64, "folder of boards/ for which updates must be made"),
    Field(
        "trial_s",
        INTEGER,
        21600,
        10,
        1209600,
        "a new version that has not worked by then goes back; at least three seal intervals",
    ),
    Field(
        "offline_keep_s",
        INTEGER,
        86400,
        10,
        1209600,
        "a new version that works is kept after so long without any network",
    ),
)

SESSION_FIELDS = (
    Field("meter", INTEGER, 0, 0, 31, "index into meters"),
    Field(
        "trigger",
        CHOICE,
        "contact",
        ("contact", "power", "command"),
        None,
        "what begins and ends a session",
    ),
    Field("contact_pin", INTEGER, -1, -1, 48, "contact: GPIO of the contactor, low when closed"),
    Field("start_power_w", INTEGER, 100, 1, 10000000, "power: a session begins at so much"),
    Field("stop_power_w", INTEGER, 50, 1, 10000000, "power: it ends below so much"),
    Field("start_hold_s", INTEGER, 0, 0, 3600, "power: so long above before it begins"),
    Field("stop_hold_s", INTEGER, 120, 0, 3600, "power: so long below before it ends"),
)

QUANTITIES = ["energy_import_wh", "power_w", "voltage_l1_v", "current_l1_a"]

FIELDS = (
    Field("schema", INTEGER, REQUIRED, 1, 1, "version of this table"),
    Field("station_id", TEXT, REQUIRED, 1, 64, "name of the station, for people"),
    Field("read_interval_s", INTEGER, 60, 1, 3600, "time from reading to reading"),
    Field("seal_interval_s", INTEGER, 3600, 1, 86400, "time from batch to batch"),
    Field(
        "batch_readings",
        INTEGER,
        60,
        1,
        240,
        "a batch is sealed as soon as it has so many readings",
    ),
    Field(
        "max_interval_s",
        INTEGER,
        900,
        1,
        86400,
        "no thinning out goes beyond this reading interval",
    ),
    Field("quantities", LIST, QUANTITIES, None, 32, "what to read, as named in the profiles"),
    Field("meters", SECTIONS, REQUIRED, METER_FIELDS, 32, "the meters"),
    Field("buses", SECTIONS, REQUIRED, BUS_FIELDS, 8, "the buses"),
    Field("uplink", SECTION, {}, UPLINK_FIELDS, None, "the way to the collector"),
    Field("journal", SECTION, {}, JOURNAL_FIELDS, None, "the store on the board"),
    Field("clock", SECTION, {}, CLOCK_FIELDS, None, "sources of time"),
    Field("network", SECTION, {}, NETWORK_FIELDS, None, "the way to the network"),
    Field("update", SECTION, {}, UPDATE_FIELDS, None, "updates from afar"),
    Field("sessions", SECTIONS, [], SESSION_FIELDS, 8, "connectors whose sessions get OCMF"),
    Field("fiscal_interval_s", INTEGER, 0, 0, 86400, "OCMF fiscal records so often; 0: none"),
    Field(
        "cabinet_pin",
        INTEGER,
        -1,
        -1,
        48,
        "GPIO of the cabinet contact, low when closed; -1: none",
    ),
    Field(
        "secure_element",
        CHOICE,
        "none",
        ("none", "atecc608"),
        None,
        "chip on the I2C pins of `clock` in which the key is made",
    ),
    Field("led_pin", INTEGER, -1, -1, 48, "GPIO of the light that tells how it goes; -1: none"),
    Field(
        "watchdog_s", INTEGER, 60, 30, 600, "the board restarts if some task is silent for so long"
    ),
    Field(
        "log_level",
        CHOICE,
        "info",
        ("debug", "info", "warn", "error"),
        None,
        "least level that is written",
    ),
)

SECRET_FIELDS = (
    Field("wifi_password", TEXT, "", 0, 63, "password of the wireless network", True),
    Field(
        "mqtt_user", TEXT, "", 0, 64, "user at the broker of an mqtts:// uplink; empty: none", True
    ),
    Field("mqtt_password", TEXT, "", 0, 64, "its password", True),
    Field("pseudonym_key", TEXT, "", 0, 64, "key of drivers' pseudonyms; empty: made here", True),
)
