"""Figures: what the server counts, in the text format of Prometheus at `/metrics`.

Names of operations and statuses are the only labels, so that nothing a caller sends makes a new series. Several
processes of one server count into files of one folder (`PROMETHEUS_MULTIPROC_DIR`), and each tells the sum.
"""

from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from stemma.http.watching.requestlog import Happened, Log

MEDIA_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
_SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_PAGE_COLUMN = 1
_STATM = Path("/proc/self/statm")
_PAGE = 4096


class Figures:
    """Counts requests, and hands them on to `log`; `folder` is that of several processes."""

    def __init__(self, log: Log, folder: str | None = None) -> None:
        self._log = log
        self._folder = folder
        self._registry = CollectorRegistry()
        given: dict[str, Any] = {"registry": self._registry}
        self._requests = Counter(
            "stemma_http_requests", "Requests that were answered.", ("operation", "status"), **given
        )
        self._seconds = Histogram(
            "stemma_http_request_seconds",
            "Seconds from a request's headers to the last byte of its answer.",
            ("operation",),
            buckets=_SECONDS,
            **given,
        )
        self._in_flight = Gauge(
            "stemma_http_in_flight", "Requests that are being answered.", multiprocess_mode="livesum", **given
        )
        self._batches = Histogram(
            "stemma_write_batch_size", "Changes that were made durable together.", buckets=_SIZES, **given
        )
        self._memory = Gauge(
            "stemma_resident_bytes", "Resident memory of the server.", multiprocess_mode="livesum", **given
        )
        self._counters: dict[tuple[str, int], tuple[Counter, Histogram]] = {}

    def begin(self) -> None:
        """Count a request that came in."""
        self._in_flight.inc()
        self._log.begin()

    def end(self, happened: Happened) -> None:
        """Count a request that was answered."""
        self._in_flight.dec()
        key = (happened.operation, happened.status)
        found = self._counters.get(key)
        if found is None:
            found = self._counters[key] = (
                self._requests.labels(happened.operation, str(happened.status)),
                self._seconds.labels(happened.operation),
            )
        found[0].inc()
        found[1].observe(happened.seconds)
        self._log.end(happened)

    def batch(self, size: int) -> None:
        """Count changes that were made durable together; from any thread."""
        self._batches.observe(size)

    def measure(self) -> None:
        """Note what the process uses now."""
        self._memory.set(resident_bytes())

    def text(self) -> bytes:
        """Return all figures in the text format."""
        self.measure()
        registry = self._registry
        if self._folder is not None:
            registry = CollectorRegistry()
            MultiProcessCollector(registry, self._folder)  # type: ignore[no-untyped-call]  # the library's
        return generate_latest(registry)


def resident_bytes() -> int:
    """Return the resident memory of this process, 0 where the system does not tell."""
    try:
        return int(_STATM.read_text("ascii").split()[_PAGE_COLUMN]) * _PAGE
    except OSError:
        return 0
