"""The settings of OIDC login: what is allowed alone and together, and where the client secret comes from."""

from pathlib import Path

import pytest

from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_forwarder.oidc_settings import read_client_secret
from tiktok_forwarder.setting_reading import load_settings

VARIABLE = "TIKTOK_FORWARDER_OIDC_CLIENT_SECRET"
COMPLETE = {
    "oidc_issuer": "https://login.example.com/realms/Shop",
    "oidc_client_id": "console",
    "oidc_admin_values": "admins",
}


def problems(**settings: str) -> list[str]:
    """Return why these settings are refused."""
    with pytest.raises(ConfigurationError) as refused:
        load_settings(None, {f"TIKTOK_FORWARDER_{name.upper()}": value for name, value in settings.items()})
    return list(refused.value.problems)


def test_oidc_is_off_by_default() -> None:
    """Passwords only, as before."""
    assert load_settings(None, {}).oidc_issuer == ""


@pytest.mark.parametrize(
    "issuer",
    [
        "https://login.example.com",
        "https://login.example.com/",
        "https://login.example.com:8443/realms/Shop",
        "https://[2001:db8::1]/",
        "http://127.0.0.1:9000",
        "http://localhost:9000/realms/shop",
        "http://[::1]:9000",
    ],
)
def test_issuer_is_kept_as_the_provider_spells_it(issuer: str) -> None:
    """Case and last slash are part of it."""
    assert load_settings(None, {}, **{**COMPLETE, "oidc_issuer": issuer}).oidc_issuer == issuer


@pytest.mark.parametrize(
    "issuer",
    [
        "http://login.example.com",
        "http://127.0.0.1.example.com",
        "http://localhost@login.example.com",
        "login.example.com",
        "https://",
        "https://user:password@login.example.com",
        "https://login.example.com?tenant=x",
        "https://login.example.com#x",
        "https://login.example.com/a b",
        "ftp://login.example.com",
    ],
)
def test_issuer_needs_tls_except_on_this_machine(issuer: str) -> None:
    """Whoever could change its answers on the way could be any user."""
    (problem,) = problems(**{**COMPLETE, "oidc_issuer": issuer})
    assert "oidc_issuer must be https:// and a host" in problem


def test_missing_settings_are_one_line_each() -> None:
    """All of them at the same time."""
    assert problems(oidc_issuer="https://login.example.com", oidc_scopes="profile email") == [
        "oidc_client_id must be set with oidc_issuer: the ID under which the provider knows the console",
        "oidc_admin_values or oidc_viewer_values must be set with oidc_issuer: no user would have a role otherwise",
        "oidc_scopes must contain openid, not 'profile email'",
    ]


@pytest.mark.parametrize(
    "name", ["oidc_client_id", "oidc_client_secret_file", "oidc_admin_values", "oidc_viewer_values"]
)
def test_setting_without_an_issuer_is_reported(name: str) -> None:
    """It would be without effect."""
    assert problems(**{name: "x"}) == [f"{name} is set without oidc_issuer: set both or neither"]


def test_values_in_a_file_may_be_a_list(tmp_path: Path) -> None:
    """TOML has lists; both forms are the same setting."""
    file = tmp_path / "c.toml"
    file.write_text(
        'oidc_issuer = "https://login.example.com"\noidc_client_id = "c"\n'
        'oidc_admin_values = [" admins", "owners"]\noidc_viewer_values = "staff, , others "\n'
    )
    settings = load_settings(file, {})
    assert (settings.oidc_admin_values, settings.oidc_viewer_values) == ("admins, owners", "staff, others")
    for wrong in ("[1]", '["a,b"]', "7"):
        file.write_text(f"oidc_admin_values = {wrong}\n")
        with pytest.raises(ConfigurationError, match="oidc_admin_values must be texts, separated by commas"):
            load_settings(file, {})


# --- the client secret ---


def test_client_secret_is_of_the_variable_or_the_file(tmp_path: Path) -> None:
    """The variable comes first, as for the encryption key; without either the client is public."""
    file = tmp_path / "secret"
    file.write_text(" secret-of-the-file\n")
    assert read_client_secret(str(file), {}, VARIABLE) == "secret-of-the-file"
    assert read_client_secret(str(file), {VARIABLE: "secret-of-the-variable"}, VARIABLE) == "secret-of-the-variable"
    assert read_client_secret("", {}, VARIABLE) == "" == read_client_secret("", {VARIABLE: ""}, VARIABLE)
    assert load_settings(None, {VARIABLE: "x"}).oidc_issuer == ""


@pytest.mark.parametrize("content", [None, b"", b" \n", b"\xff", b"first-line\nsecond-line", b"x" * 5000])
def test_unusable_secret_file_is_named_without_what_is_in_it(content: bytes | None, tmp_path: Path) -> None:
    """One line, which may be in a log."""
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigurationError) as refused:
        read_client_secret(str(file), {}, VARIABLE)
    (problem,) = refused.value.problems
    assert problem.startswith(f"oidc_client_secret_file: {file}: ") and "first-line" not in problem


def test_unusable_secret_of_the_variable_is_named() -> None:
    """Without the secret."""
    with pytest.raises(ConfigurationError, match=f"^{VARIABLE}: must contain the client secret in one line$"):
        read_client_secret("", {VARIABLE: "two\nlines"}, VARIABLE)
