-- What happened to one subject is found by its id alone, whatever kind of thing it is.
DROP INDEX audit_event_subject_idx;
CREATE INDEX audit_event_subject_idx ON audit_event (subject_id, at DESC, id DESC);
