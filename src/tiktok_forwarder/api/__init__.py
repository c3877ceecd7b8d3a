"""The API for people and programs that run the service: the one way to change anything."""
