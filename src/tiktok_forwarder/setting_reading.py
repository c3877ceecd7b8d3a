"""Reads the process settings: from the command line, the environment and a TOML file, each with its source."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from tiktok_forwarder.domain.errors import ConfigurationError, closest_name
from tiktok_forwarder.domain.toml_text import UnreadableToml, parse_toml
from tiktok_forwarder.oidc_settings import oidc_problems
from tiktok_forwarder.setting_values import Setting, allowed_values, read_value, refused_value, shown_value
from tiktok_forwarder.settings import (
    ALL,
    DEBUG_VARIABLE,
    ENVIRONMENT_PREFIX,
    KEY_VARIABLE,
    NEXT_KEY_VARIABLE,
    OIDC_SECRET_VARIABLE,
    SETTINGS,
    Settings,
)
from tiktok_forwarder.store.postgres.address import is_address


class SettingValue(Struct, frozen=True):
    """A setting's value and its source: the default, the file, the environment or the command line."""

    setting: Setting
    value: str | int | float
    source: str

    @property
    def shown(self) -> str | int | float:
        """Return the value without its passwords."""
        return shown_value(self.setting, self.value)


def read_settings(
    config_file: Path | None, environment: Mapping[str, str], overrides: Mapping[str, object]
) -> list[SettingValue]:
    """Return every setting's value. Raises `ConfigurationError` with every problem of file and environment."""
    from_file = _file_values(config_file)
    known = {setting.name for setting in SETTINGS}
    variables = {ENVIRONMENT_PREFIX + name.upper() for name in known} | {
        KEY_VARIABLE,
        NEXT_KEY_VARIABLE,
        OIDC_SECRET_VARIABLE,
        DEBUG_VARIABLE,
    }
    problems = [f"{config_file}: {_unknown(name, name, known)}" for name in from_file if name not in known]
    problems += [
        # Without the prefix, which would make all of them alike.
        _unknown(name, name.removeprefix(ENVIRONMENT_PREFIX), variables, ENVIRONMENT_PREFIX)
        for name in environment
        if name.startswith(ENVIRONMENT_PREFIX) and name not in variables
    ]
    values = [_value(setting, config_file, from_file, environment, overrides, problems) for setting in SETTINGS]
    if problems := problems or _problems_together(values):
        raise ConfigurationError(problems)
    return values


def _unknown(shown: str, name: str, known: Iterable[str], prefix: str = "") -> str:
    """Return the message about a setting that does not exist, with the closest that does, if one is close."""
    close = closest_name([each.removeprefix(prefix) for each in known], name)
    suggestion = f'; did you mean "{prefix}{close}"? See' if close is not None else "; see"
    return f"{shown} is not a setting{suggestion} `tiktok-forwarder settings`"


def _problems_together(values: list[SettingValue]) -> list[str]:
    """Return what is wrong with values that are each allowed."""
    by_name = {each.setting.name: each for each in values}
    return [*_role_problems(by_name), *oidc_problems({name: str(each.value) for name, each in by_name.items()})]


def _role_problems(by_name: Mapping[str, SettingValue]) -> list[str]:
    role, store = by_name["role"], str(by_name["store"].value)
    if role.value == ALL or is_address(store):
        return []
    return [
        f"{role.source}: role must be {ALL} with the store {store}, not {role.value!r}: only a PostgreSQL database can "
        "be shared with the services that do the rest"
    ]


def settings_of(values: list[SettingValue]) -> Settings:
    """Return the settings as the program uses them: paths as paths, derived defaults filled in."""
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
        return parse_toml(config_file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, UnreadableToml) as error:
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
    value = read_value(setting, given)
    if value is None:
        problems.append(f"{source}: {setting.name} must be {allowed_values(setting)}{refused_value(setting, given)}")
        value = setting.default
    return SettingValue(setting, value, source)
