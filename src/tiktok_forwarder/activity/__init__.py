"""What happened to recent events, for people: records, figures, and recently received events."""
