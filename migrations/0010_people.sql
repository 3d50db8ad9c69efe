-- The administration of people: tokens that may do less than whoever they belong to, and lists of many accounts.

ALTER TABLE api_token ADD COLUMN scope text[];         -- permissions; NULL: whatever its person may
ALTER TABLE api_token ADD COLUMN last_used timestamptz;  -- to the hour
CREATE INDEX api_token_user_idx ON api_token (user_id, created DESC);

-- What was asked for with such a token is done with no more rights than it has.
ALTER TABLE job ADD COLUMN scope text[];
GRANT INSERT (scope) ON job TO trovato_web;

CREATE INDEX users_created_idx ON users (created DESC, id DESC);
CREATE INDEX users_access_idx ON users (coalesce(access, '-infinity') DESC, id DESC);
CREATE INDEX users_roles_role_idx ON users_roles (role_id);
CREATE INDEX item_revision_author_idx ON item_revision (author_id);
