"""Settings of the site that people change while it runs: variables by name."""
