-- What a login asks for besides the password, and what makes a browser known again.

CREATE TABLE user_second_factor (
    user_id   uuid PRIMARY KEY REFERENCES users ON DELETE CASCADE,
    secret    text NOT NULL,                           -- base32, as programs for one-time codes take it
    recovery  bytea[] NOT NULL,                        -- sha256 of each recovery code that was not used yet
    created   timestamptz NOT NULL DEFAULT now()
);

-- One row. What signs the cookie by which a browser from which somebody has logged in before is known again.
CREATE TABLE device_key (
    only_row  boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    key       text NOT NULL
);
INSERT INTO device_key (key) VALUES (gen_random_uuid()::text || gen_random_uuid()::text);
