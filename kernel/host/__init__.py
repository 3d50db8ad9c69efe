"""The functions that a plugin may call, with the same limits on what it sees as for its payloads."""
