"""What the store's and the activity's SQLite files share: statements in files, syncs, the lock of the directory."""
