"""SQL in files beside the code that runs it: named statements, and migrations in order."""

import re
from importlib.resources import files
from typing import Final

_NAME: Final = re.compile(r"^-- name: (?P<name>\S+?): .*$", re.MULTILINE)


def load_statements(package: str, file_name: str) -> dict[str, str]:
    """Return the statements of a package's file; each begins after a line `-- name: NAME: what it does`."""
    text = (files(package) / file_name).read_text("utf-8")
    headers = list(_NAME.finditer(text))
    return {
        header["name"]: text[header.end() : following.start() if following else None].strip()
        for header, following in zip(headers, [*headers[1:], None], strict=True)
    }


def load_migrations(package: str) -> list[str]:
    """Return the scripts of a package's folder `migrations`; the first brings an empty file to version 1."""
    folder = files(package) / "migrations"
    scripts = sorted((file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name)
    return [script.read_text("utf-8") for script in scripts]
