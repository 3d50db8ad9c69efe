"""Every tap declared once, and the one function that calls the plugins which implement it."""
