"""The store's SQL: migrations, and named statements."""

from typing import Final

from tiktok_forwarder.database.statements import load_migrations, load_statements
from tiktok_forwarder.store.rules import DUPLICATE_WINDOW_MS

_PACKAGE: Final = "tiktok_forwarder.store.postgres"

# De-duplication keys are in tables that take turns, so that forgetting keys is emptying a table. All turns but the
# current one make up the window, so that at least 48 hours are always kept. Each table is another search for each new
# event: more of them would save space, and cost time.
SEEN_SLOTS: Final = 3
SEEN_TURN_MS: Final = DUPLICATE_WINDOW_MS // (SEEN_SLOTS - 1)

STATEMENTS: Final = {
    name: statement
    for file_name in ("queries.sql", "notices.sql", "moving.sql")
    for name, statement in load_statements(_PACKAGE, file_name).items()
}


def migrations() -> list[str]:
    """Return the scripts in order; the first brings a new schema to version 1."""
    return load_migrations(_PACKAGE)
