"""The store's SQL: migrations, and named statements."""

from typing import Final

from tiktok_forwarder.database.statements import load_migrations, load_statements

_PACKAGE: Final = "tiktok_forwarder.store.postgres"

STATEMENTS: Final = load_statements(_PACKAGE, "queries.sql")


def migrations() -> list[str]:
    """Return the scripts in order; the first brings a new schema to version 1."""
    return load_migrations(_PACKAGE)
