"""Inputs: the senders' credentials."""
