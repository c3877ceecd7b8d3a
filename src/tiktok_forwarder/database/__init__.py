"""What the SQLite files of store and activity share: thread, opening, problems and SQL in files; the directory lock."""
