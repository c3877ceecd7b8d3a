"""Editing a connection's settings: topics, forwarding rules, sources, and a trial of rules that are not saved yet."""
