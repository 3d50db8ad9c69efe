"""Declarative forms: described as values, rendered by templates, read back with every complaint at once."""
