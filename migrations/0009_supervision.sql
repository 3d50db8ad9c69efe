-- What went wrong in plugins: a row for what one process saw of one tap in a few seconds. `calls` and `failures` are how
-- many there were meanwhile; `recording` is one of the calls, so that it can be made again.
CREATE TABLE plugin_failure (
    id          uuid PRIMARY KEY,
    at          timestamptz NOT NULL DEFAULT now(),
    plugin      text NOT NULL,
    tap         text NOT NULL,
    reason      text NOT NULL,
    message     text NOT NULL,
    detail      text NOT NULL DEFAULT '',
    sha256      text NOT NULL,
    request_id  text NOT NULL DEFAULT '',
    calls       integer NOT NULL,
    failures    integer NOT NULL,
    recording   jsonb
);
CREATE INDEX plugin_failure_tap_idx ON plugin_failure (plugin, tap, at DESC);

-- Taps that are not called any more, because the plugin failed there too often.
CREATE TABLE plugin_stop (
    plugin   text NOT NULL,
    tap      text NOT NULL,
    since    timestamptz NOT NULL DEFAULT now(),
    message  text NOT NULL,
    PRIMARY KEY (plugin, tap)
);
