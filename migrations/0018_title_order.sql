-- The list of content by title, also with fifty thousand items.
CREATE INDEX item_title_idx ON item (title, id);
