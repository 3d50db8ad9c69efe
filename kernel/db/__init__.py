"""PostgreSQL: pool, transactions, migrations. The only door to asyncpg."""
