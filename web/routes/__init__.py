"""The doors of the site, one file for each kind of page."""
