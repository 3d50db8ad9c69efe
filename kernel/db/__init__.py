"""PostgreSQL: pool, transactions, migrations; the only door to asyncpg."""
