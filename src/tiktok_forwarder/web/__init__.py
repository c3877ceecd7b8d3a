"""Shared by every HTTP interface: the servers, the front, bounded bodies, and a request's origin."""
