"""The store for tests and trials: its contents are gone with the process."""
