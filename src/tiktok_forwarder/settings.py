"""Process settings: declared once, read from a TOML file and then the environment, and able to explain themselves."""

import math
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

from msgspec import Struct

from tiktok_forwarder.domain.errors import ConfigurationError

ENVIRONMENT_PREFIX: Final = "TIKTOK_FORWARDER_"
# Read where it is needed and shown nowhere: it is no setting that could be printed.
KEY_VARIABLE: Final = f"{ENVIRONMENT_PREFIX}ENCRYPTION_KEY"
DEBUG_VARIABLE: Final = f"{ENVIRONMENT_PREFIX}DEBUG"

# A host name or address and at most a port.
_HTTPS_ADDRESS: Final = re.compile(r"https://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::\d{1,5})?")

SettingKind = Literal["text", "path", "integer", "number", "choice", "https_address"]


class Setting(Struct, frozen=True):
    """One setting. Numbers are bounded, both ends included; `choices` are for kind choice."""

    name: str
    kind: SettingKind
    default: str | int | float
    help: str
    minimum: float = 0
    maximum: float = math.inf
    choices: tuple[str, ...] = ()


SETTINGS: Final[tuple[Setting, ...]] = (
    Setting(
        "host", "text", "127.0.0.1", "Address to listen on. Put a proxy with TLS in front of any other than loopback."
    ),
    Setting("port", "integer", 8090, "Port to listen on; 0 takes any free one.", 0, 65535),
    Setting(
        "console_url",
        "https_address",
        "",
        "Address of the console behind a proxy with TLS, such as https://forwarder.example.com; empty: it answers this "
        "machine only.",
    ),
    Setting("data_dir", "path", "data", "Directory of the database, the key file and the socket of the command line."),
    Setting(
        "store",
        "choice",
        "sqlite",
        "Where events wait: sqlite, or memory (lost at exit).",
        choices=("sqlite", "memory"),
    ),
    Setting("max_store_bytes", "integer", 0, "Largest size of the database; 0 derives it from the free space.", 0),
    Setting("encryption_key_file", "path", "", "Key of stored secrets; empty is encryption.key in the data directory."),
    Setting("tiktok_base_url", "text", "https://business-api.tiktok.com", "TikTok's root, before /open_api/."),
    Setting("max_body_bytes", "integer", 1024 * 1024, "Largest request body, after decompression.", 1024),
    Setting("max_nesting", "integer", 200, "Deepest nesting of a request body.", 8, 900),
    Setting("max_events", "integer", 10_000, "Most events of one request.", 1),
    Setting("body_timeout_seconds", "number", 10, "How long a sender may take for a request's body.", 0.1),
    Setting(
        "max_pending_bytes", "integer", 256 * 1024 * 1024, "Request bodies held at once; beyond it senders get 503.", 1
    ),
    Setting("max_wait_seconds", "number", 1, "How long events wait for company before a group is sent.", 0),
    Setting(
        "max_requests_in_flight", "integer", 4, "Requests of one connection on their way to TikTok at once.", 1, 64
    ),
    Setting("requests_per_second", "number", 500, "Most requests to TikTok per access token.", 0.1, 1000),
    Setting("send_timeout_seconds", "number", 30, "How long TikTok may take to answer.", 1, 55),
    Setting("retry_first_seconds", "number", 10, "Wait before the first retry; it doubles with each.", 0.001),
    Setting("retry_max_seconds", "number", 300, "Longest wait between retries.", 0.001),
    Setting("retry_window_hours", "number", 24, "How long an event is retried after its first attempt.", 0, 47),
    Setting("probe_seconds", "number", 300, "How often a paused connection tries one event.", 0.1),
    Setting(
        "activity_max_bytes",
        "integer",
        256 * 1024 * 1024,
        "Largest size of the file that holds what happened to recent events, for people to look at.",
        4 * 1024 * 1024,
    ),
    Setting(
        "activity_events_per_second",
        "integer",
        50,
        "Events of a connection whose way is kept, per second; of more, a fair sample. Failures are all kept.",
        1,
        1000,
    ),
    Setting(
        "development_events_kept",
        "integer",
        0,
        "Events of mParticle's development environment whose raw input is kept, per connection and in memory only, for "
        "the console.",
        0,
        100,
    ),
    Setting("stop_seconds", "number", 8, "How long running requests may take when the service stops.", 0, 60),
    Setting("log_level", "choice", "info", "Least severe log line.", choices=("debug", "info", "warning", "error")),
    Setting(
        "log_format", "choice", "auto", "json, text, or auto: text on a terminal.", choices=("auto", "json", "text")
    ),
)


class Settings(Struct, frozen=True):
    """The values of `SETTINGS`."""

    host: str
    port: int
    console_url: str
    data_dir: Path
    store: str
    max_store_bytes: int
    encryption_key_file: Path
    tiktok_base_url: str
    max_body_bytes: int
    max_nesting: int
    max_events: int
    body_timeout_seconds: float
    max_pending_bytes: int
    max_wait_seconds: float
    max_requests_in_flight: int
    requests_per_second: float
    send_timeout_seconds: float
    retry_first_seconds: float
    retry_max_seconds: float
    retry_window_hours: float
    probe_seconds: float
    activity_max_bytes: int
    activity_events_per_second: int
    development_events_kept: int
    stop_seconds: float
    log_level: str
    log_format: str

    @property
    def database_file(self) -> Path:
        return self.data_dir / "events.db"

    @property
    def activity_file(self) -> Path | None:
        """None: what outlives no process needs no file."""
        return self.data_dir / "activity.db" if self.store != "memory" else None

    @property
    def admin_socket(self) -> Path:
        return self.data_dir / "admin.sock"


class SettingValue(Struct, frozen=True):
    """A setting's value and where it came from: the default, the file, the environment or the command line."""

    setting: Setting
    value: str | int | float
    source: str


def read_settings(
    config_file: Path | None, environment: Mapping[str, str], overrides: Mapping[str, object]
) -> list[SettingValue]:
    """Every setting's value. Raises `ConfigurationError` with every problem of file and environment at once."""
    from_file = _file_values(config_file)
    known = {setting.name for setting in SETTINGS}
    variables = {ENVIRONMENT_PREFIX + name.upper() for name in known} | {KEY_VARIABLE, DEBUG_VARIABLE}
    strangers = [f"{config_file}: {name}" for name in from_file if name not in known]
    strangers += [name for name in environment if name.startswith(ENVIRONMENT_PREFIX) and name not in variables]
    problems = [f"{stranger} is no setting; see `tiktok-forwarder settings`" for stranger in strangers]
    values = [_value(setting, config_file, from_file, environment, overrides, problems) for setting in SETTINGS]
    if problems:
        raise ConfigurationError(problems)
    return values


def settings_of(values: list[SettingValue]) -> Settings:
    """The settings as the program uses them: paths as paths, derived defaults filled in."""
    plain: dict[str, Any] = {value.setting.name: value.value for value in values}
    plain["data_dir"] = data_dir = Path(str(plain["data_dir"])).expanduser()
    key_file = str(plain["encryption_key_file"])
    plain["encryption_key_file"] = Path(key_file).expanduser() if key_file else data_dir / "encryption.key"
    return Settings(**plain)


def load_settings(config_file: Path | None, environment: Mapping[str, str], **overrides: object) -> Settings:
    return settings_of(read_settings(config_file, environment, overrides))


def _file_values(config_file: Path | None) -> dict[str, object]:
    if config_file is None:
        return {}
    try:
        return tomllib.loads(config_file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError([f"{config_file}: {error}"]) from None


def _value(
    setting: Setting,
    config_file: Path | None,
    from_file: Mapping[str, object],
    environment: Mapping[str, str],
    overrides: Mapping[str, object],
    problems: list[str],
) -> SettingValue:
    variable = ENVIRONMENT_PREFIX + setting.name.upper()
    given: object
    if overrides.get(setting.name) is not None:
        given, source = overrides[setting.name], "the command line"
    elif variable in environment:
        given, source = environment[variable], variable
    elif setting.name in from_file:
        given, source = from_file[setting.name], str(config_file)
    else:
        return SettingValue(setting, setting.default, "default")
    value = _checked(setting, given)
    if value is None:
        problems.append(f"{source}: {setting.name} is {given!r}, but must be {_allowed(setting)}")
        value = setting.default
    return SettingValue(setting, value, source)


def _checked(setting: Setting, given: object) -> str | int | float | None:
    """The value in its type, None if it is not allowed. Text may hold a number: the environment has only text."""
    if setting.kind in ("text", "path"):
        text = str(given).strip() if isinstance(given, str | Path) else ""
        return text if text or (given == "" and setting.default == "") else None
    if setting.kind == "choice":
        return str(given) if given in setting.choices else None
    if setting.kind == "https_address":
        return _https_address(given)
    return _number(setting, given)


def _number(setting: Setting, given: object) -> float | None:
    try:
        number = float(given) if isinstance(given, str | int | float) and not isinstance(given, bool) else math.nan
    except (ValueError, OverflowError):
        return None
    if not setting.minimum <= number <= setting.maximum or not math.isfinite(number):
        return None
    if setting.kind == "integer":
        return int(number) if number.is_integer() else None
    return number


def _https_address(given: object) -> str | None:
    address = given.strip().lower().rstrip("/") if isinstance(given, str) else " "
    return address if not address or _HTTPS_ADDRESS.fullmatch(address) else None


def _allowed(setting: Setting) -> str:
    if setting.kind == "https_address":
        return "https:// and a host, without a path, or empty"
    if setting.kind == "choice":
        return f"one of {', '.join(setting.choices)}"
    if setting.kind in ("text", "path"):
        return "text" if setting.default == "" else "text that is not empty"
    kind = "a whole number" if setting.kind == "integer" else "a number"
    upper = "" if math.isinf(setting.maximum) else f" to {setting.maximum:g}"
    return f"{kind} from {setting.minimum:g}{upper or ' up'}"
