"""What happened to recent events, for people: records, figures, and what came in lately."""
