-- What is installed: the manifest as somebody approved it, and the artefact by its hash. What a folder of plugins
-- holds is merely on offer.
ALTER TABLE system
    DROP COLUMN weight,
    DROP COLUMN info,
    ADD COLUMN manifest   text NOT NULL DEFAULT '',
    ADD COLUMN installed  timestamptz NOT NULL DEFAULT now(),
    ADD COLUMN changed    timestamptz NOT NULL DEFAULT now();

-- The components themselves, so that every machine has them; deflated before they are stored.
CREATE TABLE plugin_artefact (
    sha256   text PRIMARY KEY CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    wasm     bytea NOT NULL,
    created  timestamptz NOT NULL DEFAULT now()
);
ALTER TABLE plugin_artefact ALTER COLUMN wasm SET STORAGE EXTERNAL;

-- Goes up with every change of what is installed or enabled; a process whose number is another reads `system` again.
CREATE TABLE plugin_generation (
    only_row  boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    number    bigint NOT NULL
);
INSERT INTO plugin_generation (number) VALUES (1);

-- An artefact does nothing before a worker installs it, so whoever asks for that brings it along.
GRANT INSERT (sha256, wasm) ON plugin_artefact TO trovato_web;

-- Plugins that somebody uploaded, checked by a worker, and that wait for approval; the latest of each name.
CREATE TABLE plugin_offer (
    name      varchar(32) PRIMARY KEY,
    version   text NOT NULL,
    sha256    text NOT NULL REFERENCES plugin_artefact,
    manifest  text NOT NULL,
    created   timestamptz NOT NULL DEFAULT now()
);
