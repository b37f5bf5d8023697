"""Figures for whoever runs Headroom for others, in the format of Prometheus."""

from dataclasses import dataclass, field

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, PlatformCollector, ProcessCollector, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_BUCKETS = (0.005, 0.025, 0.1, 0.25, 1, 5, 30)
_API = "/api/v1/"
_ROUTES = frozenset(("detect", "machines", "models", "estimate", "fit", "recommend", "reports", "health", "metrics"))
_METHODS = frozenset(("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"))


@dataclass(frozen=True)
class Metrics:
    """What is counted, in a registry of its own."""

    registry: CollectorRegistry = field(default_factory=CollectorRegistry)
    requests: Counter = field(init=False)
    seconds: Histogram = field(init=False)
    sessions: Gauge = field(init=False)
    refused: Counter = field(init=False)

    def __post_init__(self) -> None:
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        made = {
            "requests": Counter(
                "headroom_requests", "Requests answered.", ["route", "method", "status"], registry=self.registry
            ),
            "seconds": Histogram(
                "headroom_request_seconds", "Time to answer.", ["route"], registry=self.registry, buckets=_BUCKETS
            ),
            "sessions": Gauge("headroom_sessions", "Pages that are open.", registry=self.registry),
            "refused": Counter("headroom_refused", "Requests refused by a limit.", ["why"], registry=self.registry),
        }
        for name, value in made.items():
            object.__setattr__(self, name, value)

    def text(self) -> bytes:
        """All of them now."""
        return generate_latest(self.registry)


METRICS = Metrics()
"""Those of this process."""


def group_of(path: str) -> str:
    """What kind of address it is. Only a few: each gets a row of its own for ever."""
    if path.startswith(_API):
        name = path.removeprefix(_API).partition("/")[0].partition(".")[0]
        return f"api {name}" if name in _ROUTES else "api other"
    if path.startswith("/r/"):
        return "report"
    if path.startswith(("/_stcore/", "/static/", "/app/static/", "/component/", "/media/")):
        return "app files"
    return "page"


def method_of(method: str) -> str:
    """The method, or "other": as with addresses, each gets a row for ever, and a stranger may send any word as one."""
    return method if method in _METHODS else "other"
