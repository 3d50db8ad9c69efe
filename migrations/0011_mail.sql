-- Mail that goes out, links in it, and people who register by themselves.

-- A row for each mail, and a job that sends it: the log keeps a mail for as long as the ledger keeps its job. `body` is
-- there until it was sent, since it may hold a link that opens an account; of a site without a mail server it stays.
CREATE TABLE mail_message (
    id          uuid PRIMARY KEY REFERENCES job ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED,
    recipient   varchar(254) NOT NULL,
    subject     text NOT NULL,
    kind        varchar(32) NOT NULL,
    status      varchar(16) NOT NULL DEFAULT 'waiting'
                CHECK (status IN ('waiting', 'sent', 'kept', 'late', 'failed')),
    error       text NOT NULL DEFAULT '',              -- why it was not sent at the last try
    text        text,
    html        text,
    good_until  timestamptz,                           -- not sent later than this: what it is about is over then
    created     timestamptz NOT NULL DEFAULT now(),
    sent        timestamptz
);
-- Answers how many of a kind somebody was sent in the last hour.
CREATE INDEX mail_message_recipient_idx ON mail_message (lower(recipient), kind, created DESC);
CREATE INDEX mail_message_status_idx ON mail_message (status, id DESC);

-- What a link in a mail is good for. It is gone when the link was used; only the digest of its secret is kept.
CREATE TABLE mailed_link (
    digest   bytea PRIMARY KEY,                        -- sha256
    purpose  varchar(16) NOT NULL CHECK (purpose IN ('reset', 'register', 'address')),
    user_id  uuid REFERENCES users ON DELETE CASCADE,  -- NULL while there is no account yet
    name     text,                                     -- that of somebody who registers
    mail     varchar(254),                             -- the address that the link was sent to
    pass     text,                                     -- Argon2id, of somebody who registers
    created  timestamptz NOT NULL DEFAULT now(),
    expires  timestamptz NOT NULL
);
CREATE INDEX mailed_link_user_idx ON mailed_link (user_id);
CREATE INDEX mailed_link_expires_idx ON mailed_link (expires);

-- Registered, with an address that answered, and not let in yet: such an account has status 0.
ALTER TABLE users ADD COLUMN awaits_approval boolean NOT NULL DEFAULT false;
CREATE INDEX users_awaiting_idx ON users (created) WHERE awaits_approval;
-- An address belongs to one account, however it is written.
CREATE UNIQUE INDEX users_mail_key ON users (lower(mail)) WHERE mail IS NOT NULL;
