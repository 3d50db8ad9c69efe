"""The arq fleet: lanes that run ledger jobs, and the sweeper."""
