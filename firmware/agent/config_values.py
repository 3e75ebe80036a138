"""A checked configuration. Apart from `config`, so that the checking can be forgotten afterwards
(see `forget`). Must never be made of anything that was not checked.
"""


class Config:
    """`config["read_interval_s"]`, `config["uplink"]["url"]`, ...; `secrets` likewise, apart.

    `hash_8`: of the file's bytes (WIRE_FORMAT.md section 3, key 10).
    """

    def __init__(self, values, secrets, hash_8):
        self.values = values
        self.secrets = secrets
        self.hash_8 = hash_8

    def __getitem__(self, key):
        return self.values[key]

    def drop(self, *keys):
        """Give back the memory of sections that only the start needs."""
        for key in keys:
            self.values.pop(key, None)
