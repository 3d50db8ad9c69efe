"""How often somebody may do something: the limits of the site, who changes them, and whom they refused."""
