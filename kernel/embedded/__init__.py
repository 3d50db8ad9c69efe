"""A private PostgreSQL and Redis for a machine that offers none; unused when URLs are configured."""
