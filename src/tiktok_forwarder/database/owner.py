"""Whose a data directory is: a command of another user leaves no files in it."""

import os
import pwd
from pathlib import Path

from tiktok_forwarder.domain.errors import ConfigurationError


def require_access(directory: Path) -> None:
    """Raise `ConfigurationError` if the directory is another user's, and this one may not use it; root may."""
    owner = _owner_of(directory)
    if owner is not None and owner != os.geteuid() and not os.access(directory, os.R_OK | os.W_OK | os.X_OK):
        raise _belongs_to(owner, directory)


def require_owner(directory: Path) -> None:
    """Raise `ConfigurationError` if this user may not use the directory, or is root and it is another user's.

    Its owner could neither read nor replace the files that root creates. A directory may be missing, or root's own, as
    in many containers.
    """
    require_access(directory)
    owner = _owner_of(directory)
    if owner is not None and owner != 0 and os.geteuid() == 0:
        raise _belongs_to(owner, directory)


def _owner_of(directory: Path) -> int | None:
    """Return the owner's user ID; None if there is no directory. Raises `ConfigurationError`."""
    try:
        return directory.stat().st_uid
    except PermissionError as error:
        raise ConfigurationError([f"data_dir: cannot reach {directory}: {error.strerror}"]) from None
    except OSError:
        return None


def _belongs_to(owner: int, directory: Path) -> ConfigurationError:
    name = _name_of(owner) or f"#{owner}"
    # Of a container's user this machine knows the number only, which a shell would read as a comment.
    user = name if not name.startswith("#") else f"'{name}'"
    return ConfigurationError(
        [
            f"data_dir: {directory} belongs to the user {name}; run the command as that user: "
            f"sudo -u {user} tiktok-forwarder …"
        ]
    )


def _name_of(user_id: int) -> str | None:
    try:
        return pwd.getpwuid(user_id).pw_name
    except KeyError:
        return None
