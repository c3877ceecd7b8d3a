"""The demonstration: service, sandbox and realistic traffic on one machine."""
