"""What senders use: their routes, their credentials, and the way of a request's events into the store."""
