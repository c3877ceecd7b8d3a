"""Examples of the paths that a proxy divides: those of nodes that receive, and those of nodes with a console."""

from typing import Final

from tiktok_forwarder.browser.paths import PREFIXES
from tiktok_forwarder.intake.ingest import SENDERS_PREFIXES

# One path below each prefix that the program knows: a new prefix needs its place in what a proxy is given.
EVENT_PATHS: Final = tuple(f"{prefix}example" for prefix in (*SENDERS_PREFIXES, *PREFIXES))
OTHER_PATHS: Final = (
    "/",
    "/login",
    "/activity",
    "/static/console.css",
    "/api/status",
    "/api/openapi.json",
    "/versions",
)
