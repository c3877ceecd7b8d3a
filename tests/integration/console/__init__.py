"""The console over HTTP, in front of a real service."""
