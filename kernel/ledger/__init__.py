"""Jobs as rows in PostgreSQL: submit, claim, finish, retry, sweep."""
