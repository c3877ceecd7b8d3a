"""The console's pages, by topic."""
