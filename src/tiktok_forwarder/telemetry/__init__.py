"""Metrics and log lines: what happened, never to whom."""
