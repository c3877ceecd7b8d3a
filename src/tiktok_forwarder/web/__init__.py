"""What every HTTP side shares: the servers, the front, bounded bodies, and where a request comes from."""
