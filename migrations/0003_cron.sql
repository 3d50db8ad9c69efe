-- What is due at certain times: one row per task and slot, and what the site knows about its cron as a whole.

CREATE TABLE cron_run (
    task      varchar(80) NOT NULL,
    slot      timestamptz NOT NULL,                    -- the time that the run stands for, not when it happened
    status    varchar(16) NOT NULL DEFAULT 'running'
              CHECK (status IN ('running', 'done', 'idle', 'failed', 'skipped')),
    attempt   integer NOT NULL DEFAULT 1,              -- how often it was begun: who holds an older number may not end it
    missed    integer NOT NULL DEFAULT 0,              -- slots before this one in which nothing ran
    job_id    uuid,                                    -- the job that did it last; older than the row's own keeping
    note      text NOT NULL DEFAULT '',
    error     text NOT NULL DEFAULT '',
    started   timestamptz NOT NULL DEFAULT now(),
    finished  timestamptz,
    PRIMARY KEY (task, slot)
);
-- Answers when a task last did its work, however often it has failed since.
CREATE INDEX cron_run_done_idx ON cron_run (task, slot DESC) WHERE status = 'done';

-- One row. The key that opens /cron/ stands here and not among the variables, which plugins may ask for.
CREATE TABLE cron_state (
    only_row  boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    prepared  timestamptz,                             -- since when cron is expected to run
    last_run  timestamptz,                             -- when every task that was due had last had its turn
    key       text
);
INSERT INTO cron_state DEFAULT VALUES;
