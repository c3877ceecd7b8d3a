"""The senders' side: their routes, their credentials, and storing a request's events."""
