"""The commands of connections."""
