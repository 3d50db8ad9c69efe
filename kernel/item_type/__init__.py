"""A kind of item: its label and the ordered definitions of its fields."""
