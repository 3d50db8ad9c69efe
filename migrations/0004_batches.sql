-- What work over many items at once needs of the tables of content.

-- An item's revisions are deleted with it, and each asks whether an item still stands on it.
CREATE INDEX item_current_revision_idx ON item (current_revision_id);

-- The words of an item hardly become shorter by compression, which would cost at every save and at every search.
ALTER TABLE item ALTER COLUMN search_vector SET STORAGE EXTERNAL;
