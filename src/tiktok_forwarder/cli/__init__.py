"""The command line: parses arguments, calls one function, prints its result."""
