"""Listings: a definition says which items, in which order, how many on a page."""
