"""Process settings: each is declared once, with its default, bounds and help, which the reference is written from."""

from pathlib import Path
from typing import Annotated, Final, Literal, get_args, get_type_hints

from msgspec.structs import replace

from tiktok_forwarder import oidc_settings as oidc
from tiktok_forwarder.browser.rate_limit import BrowserLimits
from tiktok_forwarder.delivery.interfaces import DeliveryPolicy
from tiktok_forwarder.domain.retry import MAX_WINDOW_SECONDS, RetryPolicy
from tiktok_forwarder.http_settings import HttpSettings
from tiktok_forwarder.mparticle.parse import Bounds
from tiktok_forwarder.notices.notices import NoticePolicy
from tiktok_forwarder.otlp.target import ExportTarget
from tiktok_forwarder.setting_values import Setting, SettingKind
from tiktok_forwarder.store.postgres.address import is_address
from tiktok_forwarder.store.postgres.limits import PoolLimits
from tiktok_forwarder.web.http_limits import HttpLimits

Role = Literal["ingest", "deliver", "console"]
"""A part of the work that a service can be restricted to, if others over the same store do the rest."""
ALL: Final = "all"
ROLES: Final = (ALL, *get_args(Role))

ENVIRONMENT_PREFIX: Final = "TIKTOK_FORWARDER_"
# Read where they are needed and shown nowhere: they are not settings that could be printed.
KEY_VARIABLE: Final = f"{ENVIRONMENT_PREFIX}ENCRYPTION_KEY"
NEXT_KEY_VARIABLE: Final = f"{KEY_VARIABLE}_NEXT"
OIDC_SECRET_VARIABLE: Final = f"{ENVIRONMENT_PREFIX}OIDC_CLIENT_SECRET"
DEBUG_VARIABLE: Final = f"{ENVIRONMENT_PREFIX}DEBUG"

_LARGEST_BYTES: Final = 2**40
# The largest database that SQLite can have with pages of 4096 bytes is a little larger.
_LARGEST_STORE_BYTES: Final = 2**44

# Ten years.
_MAX_DAYS: Final = 3650

# The defaults of these settings are those of the parts that use them.
_DELIVERY: Final = DeliveryPolicy()
_RETRY: Final = RetryPolicy()
_BOUNDS: Final = Bounds()
_LIMITS: Final = HttpLimits()
_POOL: Final = PoolLimits()
_NOTICES: Final = NoticePolicy()


_PLAIN_CONSOLE: Final = (
    "the console accepts plain HTTP from private addresses, without TLS (console_plain_http is localhost): publish its "
    "port on 127.0.0.1 only, or put a proxy with TLS in front of it and set console_url"
)


class Settings(HttpSettings, frozen=True):
    """The settings of the process, each declared once: name, type, default, help, bounds."""

    data_dir: Annotated[Path, Setting("data", "Directory of the database, the key file and the command line's socket.")]
    store: Annotated[
        str,
        Setting(
            "sqlite",
            "Event store: sqlite, or the URL of a PostgreSQL database, which several services may share; memory is for "
            "tests only (events are lost at exit).",
            choices=("sqlite", "memory"),
            kind="store",
        ),
    ]
    role: Annotated[
        str,
        Setting(
            ALL,
            "What this service does: ingest receives events, deliver sends them to TikTok, console serves console and "
            "API; all does everything. Other than all, the store must be a PostgreSQL database.",
            choices=ROLES,
        ),
    ]
    max_postgresql_connections: Annotated[
        int, Setting(_POOL.connections, "Maximum number of connections to PostgreSQL, of this process.", 2, 100)
    ]
    postgresql_timeout_seconds: Annotated[
        float, Setting(_POOL.statement_seconds, "Time limit for a statement in PostgreSQL.", 1, 600)
    ]
    postgresql_pooler: Annotated[
        str,
        Setting(
            "none",
            "Pooler between the service and PostgreSQL: none (or one that pools sessions), or transaction, such as "
            "PgBouncer with pool_mode = transaction.",
            choices=("none", "transaction"),
        ),
    ]
    max_store_bytes: Annotated[
        int,
        Setting(
            0,
            "Maximum size of the database in bytes. 0 derives it from the free disk space for sqlite, and is 64 GiB of "
            "events for PostgreSQL.",
            maximum=_LARGEST_STORE_BYTES,
        ),
    ]
    encryption_key_file: Annotated[
        Path, Setting("", "File of the key that encrypts stored secrets; empty: encryption.key in the data directory.")
    ]
    tiktok_base_url: Annotated[
        str, Setting("https://business-api.tiktok.com", "Base URL of TikTok's API, before /open_api/.")
    ]
    max_body_bytes: Annotated[
        int, Setting(_BOUNDS.max_body_bytes, "Maximum size of a request body after decompression.", 1024)
    ]
    max_nesting: Annotated[int, Setting(_BOUNDS.max_nesting, "Maximum nesting depth of a request body.", 8, 900)]
    max_events: Annotated[
        int,
        Setting(_BOUNDS.max_events, "Maximum number of events per request; a batch without events counts as one.", 1),
    ]
    body_timeout_seconds: Annotated[
        float, Setting(_LIMITS.body_timeout_seconds, "Time limit for receiving a request body.", 0.1)
    ]
    max_pending_bytes: Annotated[
        int,
        Setting(
            256 * 1024 * 1024,
            "Maximum size of all request bodies in memory; beyond it, senders get HTTP 503.",
            1,
            _LARGEST_BYTES,
        ),
    ]
    max_wait_seconds: Annotated[
        float, Setting(_DELIVERY.max_wait_seconds, "Maximum time that events wait for others before a group is sent.")
    ]
    max_requests_in_flight: Annotated[
        int,
        Setting(
            _DELIVERY.max_requests_in_flight, "Maximum number of concurrent requests to TikTok per connection.", 1, 64
        ),
    ]
    requests_per_second: Annotated[
        float,
        Setting(
            _DELIVERY.requests_per_second,
            "Maximum number of requests per second to TikTok, per access token.",
            0.1,
            1000,
        ),
    ]
    send_timeout_seconds: Annotated[
        float, Setting(_DELIVERY.send_timeout_seconds, "Time limit for an answer from TikTok.", 1, 55)
    ]
    retry_first_seconds: Annotated[
        float, Setting(_RETRY.first_delay_seconds, "Delay before the first retry; it doubles with each retry.", 0.001)
    ]
    retry_max_seconds: Annotated[float, Setting(_RETRY.max_delay_seconds, "Maximum delay between retries.", 0.001)]
    retry_window_hours: Annotated[
        float,
        Setting(
            _RETRY.window_seconds / 3600,
            "Time after its first attempt during which an event is retried.",
            0,
            MAX_WINDOW_SECONDS // 3600,
        ),
    ]
    dead_letter_days: Annotated[
        int,
        Setting(
            30,
            "Number of days after which a dead letter is deleted that was neither replayed nor discarded; 0: it is "
            "kept. Use the same on all nodes.",
            maximum=_MAX_DAYS,
        ),
    ]
    probe_seconds: Annotated[
        float,
        Setting(
            _DELIVERY.probe_seconds,
            "Interval at which a connection that the service paused is tested with one event.",
            0.1,
        ),
    ]
    activity_max_bytes: Annotated[
        int,
        Setting(
            256 * 1024 * 1024,
            "Maximum size of the activity file, which records what happened to recent events.",
            4 * 1024 * 1024,
            _LARGEST_BYTES,
        ),
    ]
    activity_days: Annotated[
        int,
        Setting(
            30,
            "Number of days for which the activity is kept; 0: as long as activity_max_bytes has space. Results end "
            "after 15 days in any case.",
            maximum=_MAX_DAYS,
        ),
    ]
    activity_events_per_second: Annotated[
        int,
        Setting(
            50,
            "Events per second and connection whose timeline is kept; above it, a sample. All failures are kept.",
            1,
            1000,
        ),
    ]
    time_zone: Annotated[
        str, Setting("UTC", "IANA time zone of the days in results, such as Europe/Berlin.", kind="time_zone")
    ]
    development_events_kept: Annotated[
        int,
        Setting(
            0,
            "Number of events of mParticle's development environment whose raw input is kept for the console, per "
            "connection and in memory only.",
            0,
            100,
        ),
    ]
    notice_allowed_hosts: Annotated[
        str,
        Setting(
            "",
            "Host names and networks to which notices may be sent although they are not public, and emails without "
            "encryption; empty: none.",
            kind="hosts",
        ),
    ]
    notice_over_seconds: Annotated[
        float,
        Setting(
            _NOTICES.over_seconds,
            "Time for which an incident must have been away before a notice reports that it is over.",
            0,
            86_400,
        ),
    ]
    oidc_issuer: Annotated[str, oidc.ISSUER]
    oidc_client_id: Annotated[str, oidc.CLIENT_ID]
    oidc_client_secret_file: Annotated[str, oidc.CLIENT_SECRET_FILE]
    oidc_scopes: Annotated[str, oidc.SCOPES]
    oidc_role_claim: Annotated[str, oidc.ROLE_CLAIM]
    oidc_admin_values: Annotated[str, oidc.ADMIN_VALUES]
    oidc_viewer_values: Annotated[str, oidc.VIEWER_VALUES]
    stop_seconds: Annotated[
        float, Setting(8, "Time that running requests get to finish when the service stops.", 0, 60)
    ]
    otlp_endpoint: Annotated[
        str,
        Setting(
            "",
            "URL of an OpenTelemetry collector that gets metrics and traces by OTLP over HTTP, such as "
            "http://127.0.0.1:4318; empty: none.",
            kind="otlp_url",
        ),
    ]
    otlp_interval_seconds: Annotated[
        float, Setting(60, "Interval at which the OpenTelemetry collector gets metrics.", 1, 3600)
    ]
    otlp_trace_ratio: Annotated[
        float,
        Setting(
            0.01,
            "Part of the requests and deliveries that are traced for the OpenTelemetry collector, from 0 (none) to 1 "
            "(all).",
            0,
            1,
        ),
    ]
    log_level: Annotated[
        str, Setting("info", "Minimum severity of log lines.", choices=("debug", "info", "warning", "error"))
    ]
    log_format: Annotated[
        str,
        Setting(
            "auto", "Format of log lines: json, text, or auto (text on a terminal).", choices=("auto", "json", "text")
        ),
    ]

    @property
    def database_file(self) -> Path:
        return self.data_dir / "events.db"

    @property
    def database_address(self) -> str | None:
        """Return the URL of the PostgreSQL database; None if the store is of this data directory only."""
        return self.store if is_address(self.store) else None

    def has_role(self, role: Role) -> bool:
        """Return whether the service does this part of the work."""
        return self.role in (ALL, role)

    @property
    def has_plain_console(self) -> bool:
        """Return whether the console accepts plain HTTP from private networks."""
        return self.console_plain_http == "localhost" and not self.console_url and self.has_role("console")

    @property
    def warnings(self) -> list[str]:
        """Return what these settings risk, for people."""
        return [_PLAIN_CONSOLE] if self.has_plain_console else []

    @property
    def activity_file(self) -> Path | None:
        """Return the activity's path; None if nothing outlives the process, so that no file is needed."""
        return self.data_dir / "activity.db" if self.store != "memory" else None

    @property
    def admin_socket(self) -> Path:
        return self.data_dir / "admin.sock"

    def http_limits(self, max_http_connections: int) -> HttpLimits:
        """Return the limits of HTTP connections, with this number of them: the process may not be able to open all."""
        limits = {name: getattr(self, name) for name in HttpLimits.__struct_fields__}
        return HttpLimits(**{**limits, "max_http_connections": max_http_connections})

    def browser_limits(self) -> BrowserLimits:
        return BrowserLimits(self.browser_requests_per_second_per_address, self.browser_requests_per_minute_per_input)

    def pool_limits(self) -> PoolLimits:
        return PoolLimits(
            connections=self.max_postgresql_connections,
            statement_seconds=self.postgresql_timeout_seconds,
            has_pooler=self.postgresql_pooler == "transaction",
        )

    @property
    def trace_ratio(self) -> float:
        """Return the part of requests and deliveries that is traced; 0 if no collector gets traces."""
        return self.otlp_trace_ratio if self.otlp_endpoint else 0

    def export_target(self) -> ExportTarget | None:
        """Return the collector that gets metrics and traces, if there is one."""
        if not self.otlp_endpoint:
            return None
        return ExportTarget(self.otlp_endpoint, self.otlp_interval_seconds, self.port)

    def notice_policy(self) -> NoticePolicy:
        return NoticePolicy(self.notice_allowed_hosts, self.notice_over_seconds, self.console_url)

    def delivery_policy(self) -> DeliveryPolicy:
        retry = RetryPolicy(
            first_delay_seconds=self.retry_first_seconds,
            max_delay_seconds=max(self.retry_first_seconds, self.retry_max_seconds),
            window_seconds=self.retry_window_hours * 3600,
        )
        return DeliveryPolicy(
            retry=retry,
            max_wait_seconds=self.max_wait_seconds,
            max_requests_in_flight=self.max_requests_in_flight,
            send_timeout_seconds=self.send_timeout_seconds,
            requests_per_second=self.requests_per_second,
            probe_seconds=self.probe_seconds,
        )


def _declared() -> tuple[Setting, ...]:
    kinds: dict[type, SettingKind] = {str: "text", Path: "path", int: "integer", float: "number"}
    settings: list[Setting] = []
    for name, hint in get_type_hints(Settings, include_extras=True).items():
        of_type, setting = get_args(hint)
        kind = setting.kind or ("choice" if setting.choices else kinds[of_type])
        default = setting.default
        # 10 is more readable than 10.0 wherever defaults are shown.
        if isinstance(default, float) and default.is_integer():
            default = int(default)
        settings.append(replace(setting, name=name, kind=kind, default=default))
    return tuple(settings)


SETTINGS: Final = _declared()
