"""Where metrics and traces go. In a file of its own, since every command reads the settings."""

from msgspec import Struct


class ExportTarget(Struct, frozen=True):
    """The collector, how often it gets metrics, and the port that tells this service from others of the machine."""

    endpoint: str
    interval_seconds: float
    port: int
