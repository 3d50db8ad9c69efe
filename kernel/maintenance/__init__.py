"""Closing the site to visitors for a while, and opening it again."""
