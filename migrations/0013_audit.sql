-- Who changed what, and who came in. Workers write a row in the transaction of the change itself. Nothing changes one
-- afterwards: addresses are taken out of old rows, and rows that are older still are deleted.
CREATE TABLE audit_event (
    id              uuid PRIMARY KEY,
    at              timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor_id        uuid NOT NULL,
    actor_name      text NOT NULL DEFAULT '',      -- as it was; the account may be gone or have another name
    action          text NOT NULL,
    subject_kind    text NOT NULL,
    subject_id      text NOT NULL DEFAULT '',
    subject_label   text NOT NULL DEFAULT '',
    details         jsonb NOT NULL DEFAULT '{}',
    request_id      text NOT NULL DEFAULT '',
    client_address  text NOT NULL DEFAULT '',
    job_id          uuid
);
CREATE INDEX audit_event_at_idx ON audit_event (at DESC, id DESC);
CREATE INDEX audit_event_action_idx ON audit_event (action, at DESC, id DESC);
CREATE INDEX audit_event_actor_idx ON audit_event (actor_id, at DESC, id DESC);
CREATE INDEX audit_event_subject_idx ON audit_event (subject_kind, subject_id, at DESC, id DESC);
CREATE INDEX audit_event_address_idx ON audit_event (at) WHERE client_address <> '';
REVOKE UPDATE ON audit_event FROM trovato_worker;
GRANT UPDATE (client_address) ON audit_event TO trovato_worker;

-- Where the request that submitted a job came from, until the job is done.
ALTER TABLE job ADD COLUMN client_address text NOT NULL DEFAULT '';
CREATE INDEX job_address_idx ON job (created) WHERE client_address <> '';
GRANT INSERT (client_address) ON job TO trovato_web;

-- How many requests were refused by a limit: of one door and one requester, in stretches of ten minutes.
CREATE TABLE rate_refusal (
    since    timestamptz NOT NULL,
    door     text NOT NULL,
    who_kind text NOT NULL,
    who      text NOT NULL,
    number   integer NOT NULL,
    PRIMARY KEY (since, door, who_kind, who)
);
