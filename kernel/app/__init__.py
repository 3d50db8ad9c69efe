"""The composition root: opens every part in order, closes them in reverse, prepares a site, runs its processes."""
