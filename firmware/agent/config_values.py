"""A checked configuration. Apart from `config`, so that the checking can be forgotten afterwards
(see `forget`). Must never be made by anything but `config.load`.
"""

import hashlib


class Config:
    """`config["read_interval_s"]`, `config["uplink"]["url"]`, ...; `secrets` likewise, apart."""

    def __init__(self, values, secrets, file_bytes):
        self._values = values
        self.secrets = secrets
        self.hash_8 = hashlib.sha256(file_bytes).digest()[:8]

    def __getitem__(self, key):
        return self._values[key]
