-- People, items, stages, the job ledger and the grants of the three roles.
--
-- Runs as trovato_owner. The roles themselves are made by kernel/db/migrate.py before the first file, since a role
-- belongs to the whole server and not to one database.

-- People -------------------------------------------------------------------------------------------------------------

CREATE TABLE users (
    id        uuid PRIMARY KEY,
    name      text NOT NULL CHECK (length(name) BETWEEN 1 AND 60 OR id = '00000000-0000-0000-0000-000000000000'),
    pass      text,                                    -- Argon2id in PHC form; NULL: no password login
    mail      text,
    is_admin  boolean NOT NULL DEFAULT false,
    created   timestamptz NOT NULL DEFAULT now(),
    access    timestamptz,
    login     timestamptz,
    status    smallint NOT NULL DEFAULT 1 CHECK (status IN (0, 1)),
    timezone  text NOT NULL DEFAULT 'UTC',
    language  text NOT NULL DEFAULT 'en',
    data      jsonb NOT NULL DEFAULT '{}'
);
CREATE UNIQUE INDEX users_name_key ON users (lower(name));

CREATE TABLE role (
    id    uuid PRIMARY KEY,
    name  text NOT NULL UNIQUE
);
CREATE TABLE role_permission (
    role_id     uuid NOT NULL REFERENCES role ON DELETE CASCADE,
    permission  text NOT NULL,
    PRIMARY KEY (role_id, permission)
);
CREATE TABLE users_roles (
    user_id  uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    role_id  uuid NOT NULL REFERENCES role ON DELETE CASCADE,
    PRIMARY KEY (user_id, role_id)
);
CREATE TABLE api_token (
    id       uuid PRIMARY KEY,
    user_id  uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    digest   bytea NOT NULL UNIQUE,                    -- sha256 of the token; the token itself is shown once
    label    text NOT NULL,
    created  timestamptz NOT NULL DEFAULT now(),
    expires  timestamptz
);

INSERT INTO users (id, name, status) VALUES ('00000000-0000-0000-0000-000000000000', '', 1);
INSERT INTO role (id, name) VALUES
    ('01900000-0000-7000-8000-000000000001', 'anonymous user'),
    ('01900000-0000-7000-8000-000000000002', 'authenticated user');
INSERT INTO role_permission (role_id, permission) VALUES
    ('01900000-0000-7000-8000-000000000001', 'access content'),
    ('01900000-0000-7000-8000-000000000002', 'access content');

-- Stages -------------------------------------------------------------------------------------------------------------

CREATE TABLE stage (
    id           varchar(32) PRIMARY KEY,
    label        text NOT NULL,
    description  text NOT NULL DEFAULT '',
    created      timestamptz NOT NULL DEFAULT now(),
    owner_id     uuid REFERENCES users ON DELETE SET NULL,
    upstream_id  varchar(32) DEFAULT 'live' REFERENCES stage
);
INSERT INTO stage (id, label, upstream_id) VALUES ('live', 'Live', NULL);

-- Items --------------------------------------------------------------------------------------------------------------

CREATE TABLE item_type (
    type         varchar(32) PRIMARY KEY,
    label        text NOT NULL,
    description  text NOT NULL DEFAULT '',
    plugin       varchar(32),                          -- who defines it; NULL: nobody yet
    settings     jsonb NOT NULL DEFAULT '{"fields": []}'
);
INSERT INTO item_type (type, label, description, settings) VALUES (
    'page', 'Page', 'A page that stands on its own, such as "About us".',
    '{"fields": [{"name": "field_body", "label": "Body", "kind": "text_long", "required": false, "weight": 10}]}'
);

CREATE TABLE item (
    id                   uuid PRIMARY KEY,
    current_revision_id  uuid NOT NULL,
    type                 varchar(32) NOT NULL REFERENCES item_type,
    title                text NOT NULL,
    author_id            uuid NOT NULL REFERENCES users,
    status               smallint NOT NULL DEFAULT 1 CHECK (status IN (0, 1)),
    created              timestamptz NOT NULL DEFAULT now(),
    changed              timestamptz NOT NULL DEFAULT now(),
    promote              boolean NOT NULL DEFAULT false,
    sticky               boolean NOT NULL DEFAULT false,
    fields               jsonb NOT NULL DEFAULT '{}',
    stage_id             varchar(32) NOT NULL DEFAULT 'live' REFERENCES stage,
    search_vector        tsvector NOT NULL DEFAULT ''
);
CREATE INDEX item_fields_idx ON item USING gin (fields jsonb_path_ops);
CREATE INDEX item_search_vector_idx ON item USING gin (search_vector);
CREATE INDEX item_type_created_idx ON item (type, created DESC, id DESC);
CREATE INDEX item_created_idx ON item (created DESC, id DESC);
CREATE INDEX item_changed_idx ON item (changed DESC, id DESC);
CREATE INDEX item_draft_idx ON item (changed DESC, id DESC) WHERE status = 0;
CREATE INDEX item_author_idx ON item (author_id, changed DESC);

-- Revisions are written once and never changed; each holds everything that an edit may change.
CREATE TABLE item_revision (
    id           uuid PRIMARY KEY,
    item_id      uuid NOT NULL REFERENCES item ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    title        text NOT NULL,
    status       smallint NOT NULL,
    fields       jsonb NOT NULL,
    author_id    uuid NOT NULL REFERENCES users,
    created      timestamptz NOT NULL DEFAULT now(),
    log_message  text NOT NULL DEFAULT ''
);
CREATE INDEX item_revision_item_idx ON item_revision (item_id, created DESC);
ALTER TABLE item ADD CONSTRAINT item_current_revision_fkey
    FOREIGN KEY (current_revision_id) REFERENCES item_revision DEFERRABLE INITIALLY DEFERRED;

CREATE TABLE stage_association (
    stage_id            varchar(32) NOT NULL REFERENCES stage ON DELETE CASCADE,
    item_id             uuid NOT NULL REFERENCES item ON DELETE CASCADE,
    target_revision_id  uuid NOT NULL REFERENCES item_revision,
    PRIMARY KEY (stage_id, item_id)
);
CREATE TABLE stage_deletion (
    stage_id     varchar(32) NOT NULL REFERENCES stage ON DELETE CASCADE,
    entity_type  varchar(32) NOT NULL,
    entity_id    uuid NOT NULL,
    deleted      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (stage_id, entity_type, entity_id)
);

-- Search -------------------------------------------------------------------------------------------------------------

-- Which fields of a type are searched, and how much a hit there counts; without a row only the title is.
CREATE TABLE search_field_config (
    type        varchar(32) NOT NULL REFERENCES item_type ON DELETE CASCADE,
    field_name  varchar(64) NOT NULL,
    weight      "char" NOT NULL DEFAULT 'C' CHECK (weight IN ('A', 'B', 'C', 'D')),
    PRIMARY KEY (type, field_name)
);

CREATE AGGREGATE tsvector_agg(tsvector) (SFUNC = tsvector_concat, STYPE = tsvector, INITCOND = '');

-- The save writes what this returns in its own transaction, so that an item is findable as soon as it is saved.
CREATE FUNCTION item_search_vector(item_type varchar, item_title text, item_fields jsonb) RETURNS tsvector
LANGUAGE sql STABLE AS $$
    SELECT setweight(to_tsvector('simple', item_title), 'A') || coalesce((
        SELECT tsvector_agg(setweight(
            -- Tags are dropped so that nobody finds a page by the name of an HTML element.
            to_tsvector('simple', regexp_replace(item_fields -> c.field_name ->> 'value', '<[^>]*>', ' ', 'g')),
            c.weight))
        FROM search_field_config c
        WHERE c.type = item_type AND item_fields -> c.field_name ->> 'value' IS NOT NULL
    ), ''::tsvector)
$$;

-- Plugins and variables ----------------------------------------------------------------------------------------------

CREATE TABLE system (
    name     varchar(32) PRIMARY KEY,
    version  text NOT NULL,
    status   smallint NOT NULL DEFAULT 1 CHECK (status IN (0, 1)),   -- 1: enabled
    weight   integer NOT NULL DEFAULT 0,
    sha256   text NOT NULL DEFAULT '',
    info     jsonb NOT NULL DEFAULT '{}'
);
CREATE TABLE variable (
    name   text PRIMARY KEY,
    value  jsonb NOT NULL
);

-- The job ledger -----------------------------------------------------------------------------------------------------

CREATE TABLE job (
    id                uuid PRIMARY KEY,
    kind              varchar(64) NOT NULL,
    payload           jsonb NOT NULL DEFAULT '{}',
    status            varchar(16) NOT NULL DEFAULT 'queued'
                      CHECK (status IN ('queued', 'running', 'done', 'failed', 'dead', 'cancelled')),
    actor_id          uuid NOT NULL,
    session_key       text,                            -- hash of the submitting session, when nobody was logged in
    stage_id          varchar(32) NOT NULL DEFAULT 'live',
    request_id        text NOT NULL DEFAULT '',
    dedupe_key        text,
    parent_id         uuid,
    run_at            timestamptz NOT NULL DEFAULT now(),
    deliveries        integer NOT NULL DEFAULT 1,      -- how often it was put on the queue: the n of arq's id:n
    attempts          integer NOT NULL DEFAULT 0,      -- how often it was claimed: the fencing token
    lease_until       timestamptz,
    cancel_requested  boolean NOT NULL DEFAULT false,
    progress_done     integer NOT NULL DEFAULT 0,
    progress_total    integer NOT NULL DEFAULT 0,
    progress_note     text NOT NULL DEFAULT '',
    cursor            jsonb,
    result            jsonb,
    error             jsonb,
    drop_tags         text[],                          -- cache tags still to drop; NULL once dropped
    created           timestamptz NOT NULL DEFAULT now(),
    started           timestamptz,
    finished          timestamptz
);
CREATE UNIQUE INDEX job_dedupe_key ON job (dedupe_key) WHERE dedupe_key IS NOT NULL;
-- The sweeper's three questions; each index holds only unfinished business, so a million finished jobs cost nothing.
CREATE INDEX job_due_idx ON job (run_at) WHERE status = 'queued';
CREATE INDEX job_lease_idx ON job (lease_until) WHERE status = 'running';
CREATE INDEX job_drop_tags_idx ON job (finished) WHERE drop_tags IS NOT NULL;
CREATE INDEX job_dead_idx ON job (finished) WHERE status IN ('failed', 'dead');
CREATE INDEX job_actor_idx ON job (actor_id, created DESC);
CREATE INDEX job_created_idx ON job (created DESC);

-- Grants: the write rule (docs/architecture.md) ------------------------------------------------------------------------

GRANT USAGE ON SCHEMA public TO trovato_worker, trovato_web;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO trovato_worker;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO trovato_web;
GRANT INSERT (id, kind, payload, actor_id, session_key, stage_id, request_id, dedupe_key, run_at) ON job TO trovato_web;
GRANT UPDATE (cancel_requested) ON job TO trovato_web;
REVOKE INSERT, UPDATE, DELETE ON trovato_migration FROM trovato_worker;

ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO trovato_worker;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO trovato_web;
