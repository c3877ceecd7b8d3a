"""Connections, inputs and recipients in TOML files."""
