"""Process settings: where values come from, what is allowed, and that every problem is told at once."""

from pathlib import Path

import pytest
from msgspec import structs

from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_forwarder.setting_reading import load_settings, read_settings
from tiktok_forwarder.setting_values import Setting
from tiktok_forwarder.settings import SETTINGS, Settings


def test_settings_declares_each_setting_in_the_order_of_the_documentation() -> None:
    """The members of `Settings` are the declarations, so that no name or type is written twice."""
    assert [field.name for field in structs.fields(Settings)] == [setting.name for setting in SETTINGS]


def test_every_setting_explains_itself() -> None:
    """Each setting's help is a sentence or more."""
    for setting in SETTINGS:
        assert setting.help.endswith(".") and len(setting.help) > 10, setting.name


def test_defaults_listen_on_this_machine_only() -> None:
    """Without any configuration the service is reachable from its own machine alone."""
    settings = load_settings(None, {})
    assert (settings.host, settings.port, settings.store) == ("127.0.0.1", 8090, "sqlite")
    assert settings.encryption_key_file == settings.data_dir / "encryption.key"


def test_the_nearest_source_wins(tmp_path: Path) -> None:
    """The command line goes before the environment, that before the file, and that before the default."""
    file = tmp_path / "c.toml"
    file.write_text('port = 1\nhost = "127.0.0.2"\nmax_events = 5\n')
    environment = {"TIKTOK_FORWARDER_PORT": "2", "TIKTOK_FORWARDER_HOST": "127.0.0.3", "PATH": "/bin"}
    values = {v.setting.name: (v.value, v.source) for v in read_settings(file, environment, {"port": 3, "host": None})}
    assert values["port"] == (3, "the command line")
    assert values["host"] == ("127.0.0.3", "TIKTOK_FORWARDER_HOST")
    assert values["max_events"] == (5, str(file))
    assert values["data_dir"] == ("data", "default")


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    """File and environment are checked whole: each problem names its source, the value and what is allowed."""
    file = tmp_path / "c.toml"
    file.write_text('prot = 1\nport = 70000\nstore = "redis"\nmax_events = true\n')
    with pytest.raises(ConfigurationError) as refused:
        load_settings(
            file,
            {"TIKTOK_FORWARDER_MAX_WAIT_SECONDS": "soon", "TIKTOK_FORWARDER_PROT": "1", "TIKTOK_FORWARDER_XYZ": "1"},
        )
    problems = refused.value.problems
    assert len(problems) == 7
    for words in (
        (f'{file}: prot is not a setting; did you mean "port"? See',),
        ('TIKTOK_FORWARDER_PROT is not a setting; did you mean "TIKTOK_FORWARDER_PORT"? See',),
        ("TIKTOK_FORWARDER_XYZ is not a setting; see",),
        (str(file), "port", "70000", "0 to 65535"),
        ("store", "sqlite, memory or a PostgreSQL URL"),
        ("max_events", "True", "whole number"),
        ("TIKTOK_FORWARDER_MAX_WAIT_SECONDS", "'soon'", "a number from 0 to 1000000000"),
    ):
        assert any(all(word in problem for word in words) for problem in problems), words


@pytest.mark.parametrize(
    "setting", [each for each in SETTINGS if each.kind in ("integer", "number")], ids=lambda each: each.name
)
def test_numbers_are_finite_and_bounded(setting: Setting) -> None:
    """Both ends are allowed, and beyond them nothing is, however large; the default is within."""
    variable = f"TIKTOK_FORWARDER_{setting.name.upper()}"
    assert setting.minimum <= float(setting.default) <= setting.maximum < 1e14
    for number in (setting.minimum, setting.maximum):
        value = getattr(load_settings(None, {variable: repr(number)}), setting.name)
        assert value == number and type(value) in (int, float)
    for text in (repr(setting.maximum + 1), repr(setting.minimum - 1), "1e300", "1e999", "-inf", "inf", "nan"):
        with pytest.raises(ConfigurationError, match=f"{setting.name} must be "):
            load_settings(None, {variable: text})


def test_byte_sizes_may_be_larger_than_other_numbers() -> None:
    """A database of 16 TiB is SQLite's limit; a number of seconds or events ends at a thousand million."""
    bounds = {setting.name: setting.maximum for setting in SETTINGS}
    assert (bounds["max_store_bytes"], bounds["activity_max_bytes"]) == (17_592_186_044_416, 1_099_511_627_776)
    assert (bounds["retry_max_seconds"], bounds["max_events"]) == (1_000_000_000, 1_000_000_000)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("PORT", "80.5"),
        ("PORT", "-1"),
        ("PORT", ""),
        ("PORT", "9" * 400),
        ("MAX_WAIT_SECONDS", "nan"),
        ("MAX_WAIT_SECONDS", "inf"),
        ("HOST", ""),
        ("DATA_DIR", " "),
        ("LOG_LEVEL", "INFO!"),
    ],
)
def test_what_is_not_allowed_is_refused(name: str, text: str) -> None:
    """Values out of range, of the wrong kind or empty never become a setting."""
    with pytest.raises(ConfigurationError, match=f"TIKTOK_FORWARDER_{name}"):
        load_settings(None, {f"TIKTOK_FORWARDER_{name}": text})


def test_a_number_too_large_for_anything_is_refused(tmp_path: Path) -> None:
    """TOML has whole numbers of any length."""
    file = tmp_path / "c.toml"
    file.write_text(f"port = {'9' * 400}\n")
    with pytest.raises(ConfigurationError, match="port"):
        load_settings(file, {})


@pytest.mark.parametrize(
    "text", ["http://forwarder.example.com", "forwarder.example.com", "https://", "https://a/b", "https://a b", "x" * 9]
)
def test_the_consoles_address_must_be_one_with_tls(text: str) -> None:
    """Passwords cross no network in the clear."""
    with pytest.raises(ConfigurationError, match=r"console_url must be https:// and a host"):
        load_settings(None, {"TIKTOK_FORWARDER_CONSOLE_URL": text})


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1:4318",
        "grpc://127.0.0.1:4317",
        "http://",
        "http://user:hunter2@collector.example.com:4318",
        "http://hunter2@collector.example.com",
        "https://collector.example.com/?token=hunter2",
        "https://collector.example.com/#hunter2",
        "http://127.0.0.1:4318/v1/traces",
        "http://127.0.0.1:4318/v1/metrics/",
        "http://127.0.0.1:99999",
        "http://a b",
    ],
)
def test_collector_must_be_a_plain_url_and_is_not_quoted(text: str) -> None:
    """Paths of signals are added to it, and a password in it would be in the list of settings."""
    with pytest.raises(ConfigurationError, match=r"otlp_endpoint must be http:// or https:// and a host") as refused:
        load_settings(None, {"TIKTOK_FORWARDER_OTLP_ENDPOINT": text})
    assert "hunter2" not in str(refused.value)


def test_collector_may_have_a_path() -> None:
    """Backends that take OTLP without a collector have one."""
    given = {"TIKTOK_FORWARDER_OTLP_ENDPOINT": " https://otlp.example.com:443/api/v1/otlp/ "}
    assert load_settings(None, given).otlp_endpoint == "https://otlp.example.com:443/api/v1/otlp"
    assert load_settings(None, {"TIKTOK_FORWARDER_OTLP_ENDPOINT": "http://[::1]:4318"}).otlp_endpoint
    off = load_settings(None, {})
    assert off.otlp_endpoint == "" and off.trace_ratio == 0 and off.export_target() is None


@pytest.mark.parametrize(
    "text", ["", "shop.js", "/", "/.js", "/shop", "/shop.css", "/a/shop.js", "/shop.js?v=1", "/../shop.js", "/shop.js/"]
)
def test_script_path_must_be_one_file_name(text: str) -> None:
    """A path of several parts could hide one of the service's own."""
    with pytest.raises(ConfigurationError, match=r"script_path must be a slash and a file name that ends in \.js"):
        load_settings(None, {"TIKTOK_FORWARDER_SCRIPT_PATH": text})


def test_script_path_may_have_any_name() -> None:
    """Blockers go by names, so the operator chooses one."""
    assert load_settings(None, {}).script_path == "/tiktok-forwarder.js"
    assert load_settings(None, {"TIKTOK_FORWARDER_SCRIPT_PATH": "/Shop_2.min.js"}).script_path == "/Shop_2.min.js"


def test_the_consoles_address_is_written_in_one_way() -> None:
    """As browsers write an origin."""
    settings = load_settings(None, {"TIKTOK_FORWARDER_CONSOLE_URL": " HTTPS://Forwarder.Example.com:8443/ "})
    assert settings.console_url == "https://forwarder.example.com:8443"


@pytest.mark.parametrize("text", ["UTC", "Europe/Berlin", "Asia/Kolkata"])
def test_time_zone_is_one_of_the_iana_database(text: str) -> None:
    """The days of results begin at its midnight."""
    assert load_settings(None, {"TIKTOK_FORWARDER_TIME_ZONE": text}).time_zone == text
    assert load_settings(None, {}).time_zone == "UTC"


@pytest.mark.parametrize("text", ["", "Berlin", "Europe", "+02:00", "../../etc/passwd", "/etc/localtime", "a\0b", "é"])
def test_time_zone_that_the_system_does_not_know_is_refused(text: str) -> None:
    """The line shows the form of such a name."""
    with pytest.raises(ConfigurationError, match=r"time_zone must be the IANA name of .* Europe/Berlin, not "):
        load_settings(None, {"TIKTOK_FORWARDER_TIME_ZONE": text})


@pytest.mark.parametrize("text", ["10.0.0.1/8", "proxy.example.com", "10.0.0.0/8;10.1.0.0/16", "10.0.0.0/8,,::1"])
def test_trusted_proxies_must_be_networks(text: str) -> None:
    """The line shows the form that is expected."""
    with pytest.raises(ConfigurationError, match=r"trusted_proxies must be networks in CIDR form, .* 127\.0\.0\.0/8"):
        load_settings(None, {"TIKTOK_FORWARDER_TRUSTED_PROXIES": text})


def test_trusted_proxies_in_a_file_may_be_a_list(tmp_path: Path) -> None:
    """TOML has lists, the environment has only text; both are the same setting."""
    file = tmp_path / "c.toml"
    file.write_text('trusted_proxies = ["10.0.0.0/8", "2001:DB8::/32"]\n')
    assert load_settings(file, {}).trusted_proxies == "10.0.0.0/8, 2001:db8::/32"
    text = {"TIKTOK_FORWARDER_TRUSTED_PROXIES": " 10.0.0.0/8,2001:db8::/32 "}
    assert load_settings(None, text).trusted_proxies == "10.0.0.0/8, 2001:db8::/32"
    assert load_settings(None, {"TIKTOK_FORWARDER_TRUSTED_PROXIES": ""}).trusted_proxies == ""
    file.write_text("trusted_proxies = [10]\n")
    with pytest.raises(ConfigurationError, match="trusted_proxies"):
        load_settings(file, {})


def test_an_empty_key_file_setting_means_the_default() -> None:
    """The one setting that may be empty says where it then points."""
    settings = load_settings(None, {"TIKTOK_FORWARDER_ENCRYPTION_KEY_FILE": ""})
    assert settings.encryption_key_file == Path("data/encryption.key")


@pytest.mark.parametrize("variable", ["TIKTOK_FORWARDER_ENCRYPTION_KEY", "TIKTOK_FORWARDER_DEBUG"])
def test_variables_with_a_meaning_of_their_own_are_no_settings(variable: str) -> None:
    """The key and the switch for tracebacks are read elsewhere and refused nowhere."""
    assert load_settings(None, {variable: "x"}).port == 8090


@pytest.mark.parametrize("content", [b"port = ", b"\xff", None])
def test_an_unreadable_file_is_named(content: bytes | None, tmp_path: Path) -> None:
    """A file that is missing, no text or no TOML is told by its name."""
    file = tmp_path / "c.toml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"c\.toml"):
        load_settings(file, {})


def test_store_may_be_a_postgresql_url(tmp_path: Path) -> None:
    """From each source; then there is a database, and the limits of its use are those of the settings."""
    address = "postgresql://user:secret@one,two:5433/db?sslmode=verify-full"
    file = tmp_path / "c.toml"
    file.write_text(f'store = "{address}"\npostgresql_pooler = "transaction"\n')
    settings = load_settings(file, {"TIKTOK_FORWARDER_MAX_POSTGRESQL_CONNECTIONS": "3"})
    assert settings.database_address == address
    assert (settings.pool_limits().connections, settings.pool_limits().has_pooler) == (3, True)
    assert load_settings(None, {"TIKTOK_FORWARDER_STORE": address}).database_address == address
    assert load_settings(None, {}, store=address).database_address == address
    for embedded in ("sqlite", "memory"):
        assert load_settings(None, {}, store=embedded).database_address is None


def test_role_includes_itself_and_all_includes_each(tmp_path: Path) -> None:
    """From file, environment and command line; the default does everything."""
    file = tmp_path / "c.toml"
    file.write_text('role = "ingest"\nstore = "postgresql://h/db"\n')
    settings = load_settings(file, {})
    assert [settings.has_role(role) for role in ("ingest", "deliver", "console")] == [True, False, False]
    assert load_settings(file, {"TIKTOK_FORWARDER_ROLE": "deliver"}).has_role("deliver")
    assert load_settings(file, {"TIKTOK_FORWARDER_ROLE": "deliver"}, role="console").has_role("console")
    assert all(load_settings(None, {}).has_role(role) for role in ("ingest", "deliver", "console"))
    with pytest.raises(ConfigurationError, match="role must be one of all, ingest, deliver, console"):
        load_settings(file, {"TIKTOK_FORWARDER_ROLE": "sender"})


@pytest.mark.parametrize("store", ["sqlite", "memory"])
def test_role_needs_a_store_that_others_can_use(store: str) -> None:
    """One line, with the source of the role. A store that is refused is the only problem then."""
    with pytest.raises(ConfigurationError) as refused:
        load_settings(None, {"TIKTOK_FORWARDER_ROLE": "ingest"}, store=store)
    (problem,) = refused.value.problems
    assert problem.startswith(f"TIKTOK_FORWARDER_ROLE: role must be all with the store {store}, not 'ingest'")
    with pytest.raises(ConfigurationError) as refused:
        load_settings(None, {"TIKTOK_FORWARDER_ROLE": "ingest"}, store="redis")
    assert len(refused.value.problems) == 1


@pytest.mark.parametrize("text", ["postgres:/u:hunter2@h/db", "postgresql://u:hun@ter2@h/db", "hunter2"])
def test_store_that_is_not_allowed_is_not_quoted(text: str) -> None:
    """It may contain a password."""
    with pytest.raises(ConfigurationError, match="store must be sqlite, memory or a PostgreSQL URL") as refused:
        load_settings(None, {"TIKTOK_FORWARDER_STORE": text})
    assert "hun" not in str(refused.value)


@pytest.mark.parametrize("text", ["smtp.example.com:25", "https://example.com", "10.0.0.1/8", "a b"])
def test_notice_allowed_hosts_must_be_names_or_networks(text: str) -> None:
    """A mistake must neither open a host to notices nor close one, unnoticed."""
    with pytest.raises(ConfigurationError, match=r"notice_allowed_hosts must be host names and networks in CIDR form"):
        load_settings(None, {"TIKTOK_FORWARDER_NOTICE_ALLOWED_HOSTS": text})


def test_notice_allowed_hosts_in_a_file_may_be_a_list(tmp_path: Path) -> None:
    """Both are shown in one form."""
    file = tmp_path / "settings.toml"
    file.write_text('notice_allowed_hosts = ["SMTP.Example.com", "10.0.0.0/8"]\n')
    assert load_settings(file, {}).notice_allowed_hosts == "smtp.example.com, 10.0.0.0/8"
    assert load_settings(None, {}).notice_allowed_hosts == ""
    file.write_text("notice_allowed_hosts = [10]\n")
    with pytest.raises(ConfigurationError, match="notice_allowed_hosts"):
        load_settings(file, {})
