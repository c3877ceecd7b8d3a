"""The service's own HTTP: ingest for senders, the API for people and programs that run it."""
