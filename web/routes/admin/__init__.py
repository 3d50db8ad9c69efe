"""Pages for people who work on the site."""
