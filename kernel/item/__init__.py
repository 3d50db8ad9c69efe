"""Content: an item has a type, a title, fields, an author and revisions."""
