"""Access to console and API: users, sessions, login links, passwords, API keys, and the audit."""
