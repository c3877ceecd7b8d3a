"""Terms that every package shares: outcomes, verdicts, retry rules and errors. No I/O, no clock, no logging."""
