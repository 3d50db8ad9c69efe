-- What long, limited and scheduled jobs need beside the row of the job.

-- `failures` counts tries that failed since the job last got further; `attempts` stays the fencing token and also
-- counts turns that ended well. `group_key` names whose share of a limited kind a job uses.
ALTER TABLE job ADD COLUMN failures smallint NOT NULL DEFAULT 0;
ALTER TABLE job ADD COLUMN group_key varchar(64) NOT NULL DEFAULT '';

-- Answers how many of a kind and group wait or run, and since when, without looking at finished jobs.
CREATE INDEX job_unfinished_idx ON job (kind, group_key, status, run_at) WHERE status IN ('queued', 'running');

-- An id is made from the time (UUIDv7), so the key itself lists jobs by age, and says which are old enough to go.
DROP INDEX job_created_idx;
DROP INDEX job_actor_idx;
CREATE INDEX job_actor_idx ON job (actor_id, id DESC);
-- The newest of what gave up, and how many there are.
DROP INDEX job_dead_idx;
CREATE INDEX job_dead_idx ON job (id) WHERE status IN ('failed', 'dead');

-- Text that is handed to a job with its row, and text that a job leaves for whoever started it; whole lines per row.
CREATE TABLE job_chunk (
    job_id   uuid NOT NULL REFERENCES job ON DELETE CASCADE,
    part     varchar(8) NOT NULL CHECK (part IN ('input', 'output')),
    number   integer NOT NULL CHECK (number >= 0),
    content  text NOT NULL CHECK (octet_length(content) <= 8000000),
    PRIMARY KEY (job_id, part, number)
);

-- What a job could not do, one row each: a line of an import, an item that somebody changed meanwhile.
CREATE TABLE job_problem (
    job_id   uuid NOT NULL REFERENCES job ON DELETE CASCADE,
    number   bigint NOT NULL,                          -- its place in the work: a line, a running number
    ref      text NOT NULL DEFAULT '',                 -- the id of the item, when there is one
    message  text NOT NULL,
    content  text NOT NULL DEFAULT '',                 -- the refused line as it was given
    PRIMARY KEY (job_id, number)
);

GRANT INSERT (group_key) ON job TO trovato_web;
GRANT INSERT (job_id, part, number, content) ON job_chunk TO trovato_web;
