-- How many jobs of plugins led to a job, each submitted in a tap of the one before; a chain has an end.

ALTER TABLE job ADD COLUMN depth smallint NOT NULL DEFAULT 0;

GRANT INSERT (depth) ON job TO trovato_web;
