"""The store for tests and trials: everything is gone with the process."""
