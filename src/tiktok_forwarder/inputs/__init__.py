"""Inputs: who may send, and with which secrets."""
