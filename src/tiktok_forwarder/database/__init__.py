"""Shared by the SQLite files of store and activity: thread, opening, problems, SQL; lock and permissions of the directory."""
