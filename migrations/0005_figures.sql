-- How many of each kind gave up, counted without reading what else did.
CREATE INDEX job_given_up_idx ON job (kind, status) WHERE status IN ('failed', 'dead');
