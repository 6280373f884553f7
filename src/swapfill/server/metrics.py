"""What is counted, for Prometheus."""

from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_SECONDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 120, 300)


class Metrics:
    """Counters of one app; nothing here is shared by the process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        labels = ("route", "method", "status")
        self.requests = Counter(
            "swapfill_requests", "Requests answered.", labels, registry=self.registry
        )
        self.seconds = Histogram(
            "swapfill_request_seconds",
            "From a request's first byte to its answer's last.",
            ("route",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.received = Counter(
            "swapfill_received_bytes", "Bytes of bodies received.", registry=self.registry
        )
        self.work = Counter(
            "swapfill_work", "Pictures by kind and end.", ("kind", "end"), registry=self.registry
        )
        self.work_seconds = Histogram(
            "swapfill_work_seconds",
            "Of a picture at work, waiting left out.",
            ("kind",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.windows = Counter("swapfill_windows", "Windows filled.", registry=self.registry)

    def watch(self, name: str, about: str, value: Callable[[], float]) -> None:
        """Add a gauge that is looked up when it is asked for."""
        Gauge(name, about, registry=self.registry).set_function(value)

    def text(self) -> bytes:
        """Give all, as Prometheus reads it."""
        return generate_latest(self.registry)
