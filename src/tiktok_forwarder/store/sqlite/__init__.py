"""The default store: one SQLite file, its SQL beside it."""
