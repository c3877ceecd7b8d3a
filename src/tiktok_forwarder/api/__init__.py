"""The API for people and programs that operate the service: the only way to change anything."""
