"""Use cases over ports: accept what senders bring, deliver what is stored."""
