"""Shared by the SQLite files of store and activity: thread, opening, problems, SQL; lock and modes of the directory."""
