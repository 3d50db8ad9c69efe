-- What was handed to a job goes when the job is cancelled, as its payload does, whoever marks it so: a worker before or
-- in the middle of it, or the sweeper. A job that is done has worked its input off.
CREATE FUNCTION job_delete_input() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM job_chunk WHERE job_id = NEW.id AND part = 'input';
    RETURN NULL;
END
$$;

CREATE TRIGGER job_cancelled AFTER UPDATE OF status ON job
    FOR EACH ROW WHEN (NEW.status = 'cancelled' AND OLD.status <> 'cancelled')
    EXECUTE FUNCTION job_delete_input();
