-- What a name looks like, so that no new one is taken for another. The kernel knows the table of letters, so it is the
-- step after the migrations that fills the column for accounts that are there (kernel/user/taken_name.py). Those that look
-- like one another already keep their names: all but the first are numbered as its twins. A new name has the number 0,
-- and so gets past none.
ALTER TABLE users ADD COLUMN skeleton text;
ALTER TABLE users ADD COLUMN twin integer NOT NULL DEFAULT 0;
CREATE UNIQUE INDEX users_skeleton_key ON users (skeleton, twin);
