"""The settings of OIDC login: their declarations, what is wrong with several of them, and the client secret."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_forwarder.setting_values import Setting

ISSUER: Final = Setting(
    "",
    "Issuer URL of an OpenID Connect provider with which users log in to the console, exactly as the provider states "
    "it; empty: passwords only.",
    kind="issuer",
)
CLIENT_ID: Final = Setting("", "Client ID under which the console is registered at the OIDC provider.")
CLIENT_SECRET_FILE: Final = Setting(
    "",
    "File of the client secret for the OIDC provider, unless TIKTOK_FORWARDER_OIDC_CLIENT_SECRET has it; neither: a "
    "public client.",
    kind="path",
)
SCOPES: Final = Setting("openid profile email", "Scopes that a login asks the OIDC provider for, separated by spaces.")
ROLE_CLAIM: Final = Setting(
    "roles",
    "Claim of the ID token that decides the role: its name, or the path of a nested one, such as realm_access.roles.",
)
ADMIN_VALUES: Final = Setting(
    "",
    "Values of the role claim, separated by commas, of which each makes a user an administrator; empty: none.",
    kind="values",
)
VIEWER_VALUES: Final = Setting(
    "",
    "Values of the role claim, separated by commas, of which each makes a user a viewer who is not an administrator; "
    "empty: none.",
    kind="values",
)

# Meaningless without an issuer; the others have defaults that harm no one.
_NEED_ISSUER: Final = ("oidc_client_id", "oidc_client_secret_file", "oidc_admin_values", "oidc_viewer_values")
_MAX_SECRET_LENGTH: Final = 4096


def oidc_problems(values: Mapping[str, str]) -> list[str]:
    """Return what is wrong with these settings together, each of which has an allowed value."""
    if not values["oidc_issuer"]:
        return [f"{name} is set without oidc_issuer: set both or neither" for name in _NEED_ISSUER if values[name]]
    problems = []
    if not values["oidc_client_id"]:
        problems.append(
            "oidc_client_id must be set with oidc_issuer: the ID under which the provider knows the console"
        )
    if not values["oidc_admin_values"] and not values["oidc_viewer_values"]:
        problems.append(
            "oidc_admin_values or oidc_viewer_values must be set with oidc_issuer: no user would have a role otherwise"
        )
    if "openid" not in values["oidc_scopes"].split():
        problems.append(f"oidc_scopes must contain openid, not {values['oidc_scopes']!r}")
    return problems


def read_client_secret(file: str, environment: Mapping[str, str], variable: str) -> str:
    """Return the client secret of the variable, or else of the file; empty if there is neither.

    Raises `ConfigurationError`, which names the place and not the secret.
    """
    if not environment.get(variable) and not file:
        return ""
    place, secret = variable, environment.get(variable, "")
    if not secret:
        place = f"oidc_client_secret_file: {file}"
        try:
            secret = Path(file).expanduser().read_text("utf-8")
        except OSError as error:
            raise ConfigurationError([f"{place}: cannot read the file: {error.strerror}"]) from None
        except UnicodeDecodeError:
            raise ConfigurationError([f"{place}: must contain text"]) from None
    secret = secret.strip()
    if not 0 < len(secret) <= _MAX_SECRET_LENGTH or not secret.isprintable():
        raise ConfigurationError([f"{place}: must contain the client secret in one line"])
    return secret
