"""The administration of people: their accounts, their roles, and what roles may do."""
