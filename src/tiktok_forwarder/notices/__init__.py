"""Notices: messages to recipients about incidents, such as a paused connection, and when they are over."""
