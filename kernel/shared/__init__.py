"""Redis and nothing else: sessions, locks, messages between processes and the two-tier cache."""
