"""What stands between a stranger and an account besides the password: lockout, known devices, the second factor."""
