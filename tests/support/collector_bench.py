"""The collector's store without a process around it."""

from meterseal.collector.database import Database
from meterseal.collector.ingest import sort_in, split_sequence
from meterseal.collector.records import Upload
from meterseal.collector.store import Store
from meterseal.trust import parse_trust
from meterseal.verify import Opener

from support.fast_station import trust_of


class Bench:
    """A store with some stations that it knows."""

    def __init__(self, url, stations, quotas=None, receipt_key=b""):
        self.database = Database(url)
        self.database.migrate()
        self.store = Store(self.database, quotas, receipt_key)
        self.opener = Opener(parse_trust(trust_of(stations))).open_all

    def upload(self, *batches):
        """Upload of a body with these batches, judged."""
        upload = Upload([], [])
        pieces = list(split_sequence(b"".join(batches)))
        sort_in(zip(pieces, self.opener(pieces), strict=True), upload)
        return upload

    def send(self, *batches):
        """Heads after a body with these batches."""
        return self.store.keep([self.upload(*batches)])[0]

    def rows(self, sql):
        with self.database.read() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(sql)]
