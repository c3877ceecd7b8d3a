"""The sandbox's behavior without a script."""

from msgspec import Struct


class SandboxOptions(Struct, frozen=True, kw_only=True):
    """Options of a sandbox.

    `strict`: web events without a page URL are refused, not only warned about. `status_by_code`: HTTP 400 and 401
    beside TikTok's codes, as its 2.0 pages say, instead of 200 throughout. `watch_repeats`: note a fault for an event
    that is sent again after a final answer, or after its script's end. `rate_limit_status`: answer a rate limit with
    this HTTP status and no code, as a gateway would.
    """

    strict: bool = False
    status_by_code: bool = False
    allow_app_events: bool = False
    watch_repeats: bool = False
    requests_per_second: int | None = None
    pixel_requests_per_second: int | None = None
    rate_limit_status: int | None = None
    retry_after_seconds: int | None = None
    keep_events: int = 10_000
    keep_payload_bytes: int = 64 * 1024 * 1024
    keep_requests: int = 1_000
    remember_event_ids: int = 1_000_000
    max_body_bytes: int = 32 * 1024 * 1024
