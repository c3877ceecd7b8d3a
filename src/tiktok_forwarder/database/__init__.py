"""Shared by the SQLite files of store and activity: thread, opening, problems, SQL; the directory lock."""
