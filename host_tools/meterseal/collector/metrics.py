"""`/metrics` for Prometheus, out of the status file and the database. Rules: docs/alerts.yml."""

import time
from collections.abc import Callable, Iterator
from typing import Final

from fastapi import FastAPI
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from sqlalchemy import func, select

from meterseal.collector.alerts import KINDS, alerts
from meterseal.collector.database import Database
from meterseal.collector.places import Places
from meterseal.collector.schema import QUARANTINE
from meterseal.collector.status import DeviceStatus, Status, StatusFile

_LABELS: Final = ("device", "station")
_GAUGES: Final[dict[str, tuple[str, Callable[[DeviceStatus], float]]]] = {
    "meterseal_last_received_timestamp_seconds": (
        "When the newest batch of a device came.",
        lambda one: one.last_received_unix_ms / 1000,
    ),
    "meterseal_last_reading_timestamp_seconds": (
        "When the newest reading of a device was taken; 0: its time is not known.",
        lambda one: one.last_reading_unix_ms / 1000,
    ),
    "meterseal_clock_set": (
        "1 if the newest readings of a device have a time.",
        lambda one: float(one.clock_set),
    ),
    "meterseal_journal_fill_ratio": (
        "Share of a device's journal that is not acknowledged.",
        lambda one: one.health.get("journal_fill_permille", 0) / 1000,
    ),
}
_COUNTERS: Final[dict[str, tuple[str, Callable[[DeviceStatus], float]]]] = {
    "meterseal_energy_import_wh": (
        "Proven energy of a device's meters since its first reading.",
        lambda one: one.energy_import_mwh / 1000,
    ),
    "meterseal_batches_verified": ("Batches that verified.", lambda one: one.batches),
    "meterseal_batches_refused": (
        "Batches that verified and did not fit.",
        lambda one: one.refused,
    ),
}


def add_metrics(app: FastAPI, metrics: "Metrics") -> None:
    """`/metrics`, for whoever has a viewer's token."""

    @app.get("/metrics", response_class=PlainTextResponse)
    def get_metrics() -> PlainTextResponse:
        """State of all stations for Prometheus."""
        return PlainTextResponse(metrics.text(), media_type=CONTENT_TYPE_LATEST)


class Metrics:
    """A collector for `prometheus_client`."""

    def __init__(self, status: StatusFile, places: Places, database: Database) -> None:
        self._status, self._places, self._database = status, places, database
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def text(self) -> bytes:
        """Everything in the text format of Prometheus, version 0.0.4."""
        return generate_latest(self._registry)

    def describe(self) -> list[Metric]:
        """Nothing is asked when this is registered."""
        return []

    def collect(self) -> Iterator[Metric]:
        """All families."""
        status = self._status.now()
        for name, (text, value) in _GAUGES.items():
            gauge = GaugeMetricFamily(name, text, labels=_LABELS)
            for one in status.devices.values():
                gauge.add_metric((one.device, one.station), value(one))
            yield gauge
        for name, (text, value) in _COUNTERS.items():
            counter = CounterMetricFamily(name, text, labels=_LABELS)
            for one in status.devices.values():
                counter.add_metric((one.device, one.station), value(one))
            yield counter
        yield self._findings(status)
        yield self._alerts(status)
        yield self._calibrations()
        yield self._quarantine()
        lag = GaugeMetricFamily("meterseal_watch_timestamp_seconds", "When the watch last wrote.")
        lag.add_metric((), status.written_unix_ms / 1000)
        yield lag

    def _findings(self, status: Status) -> Metric:
        found = CounterMetricFamily(
            "meterseal_findings", "Findings in batches.", labels=(*_LABELS, "code", "severity")
        )
        for one in status.devices.values():
            for code, finding in sorted(one.findings.items()):
                labels = (one.device, one.station, code, finding["severity"])
                found.add_metric(labels, finding["count"])
        return found

    def _alerts(self, status: Status) -> Metric:
        until, now = self._places.calibration_until(), time.time_ns() // 1_000_000
        holding = alerts(status.devices.values(), until, now)
        found = GaugeMetricFamily("meterseal_alerts", "Alerts that hold now.", labels=("kind",))
        for kind in KINDS:
            found.add_metric((kind,), sum(one.kind == kind for one in holding))
        return found

    def _calibrations(self) -> Metric:
        found = GaugeMetricFamily(
            "meterseal_calibration_valid_until_timestamp_seconds",
            "First end of validity among the calibrations of a station's meters.",
            labels=("station",),
        )
        for station, until in sorted(self._places.calibration_until().items()):
            found.add_metric((station,), until / 1000)
        return found

    def _quarantine(self) -> Metric:
        found = GaugeMetricFamily(
            "meterseal_quarantined_batches", "Bytes kept that did not verify.", labels=("code",)
        )
        query = select(QUARANTINE.c.code, func.count()).group_by(QUARANTINE.c.code)
        with self._database.read() as connection:
            for code, count in connection.execute(query.order_by(QUARANTINE.c.code)):
                found.add_metric((code,), count)
        return found
