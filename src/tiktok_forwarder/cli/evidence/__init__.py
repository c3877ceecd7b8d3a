"""`connections prove`: the command, and the sandbox that it compares with."""
