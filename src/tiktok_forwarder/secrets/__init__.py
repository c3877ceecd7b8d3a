"""Secrets at rest: the keys, and the boxes that seal with them."""
