"""What people prove by following a link in a mail: a forgotten password is theirs, and so is an address."""
