"""Redis: sessions, locks, messages and the two-tier cache. The only door to redis."""
