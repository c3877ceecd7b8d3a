"""The real service, killed, starved of disk and locked out: it has to account for every event in the end."""
