-- Without a time zone of their own people are told the time of their device. No page read the column before, so what stands
-- there is the default of before and nobody's choice.
ALTER TABLE users ALTER COLUMN timezone SET DEFAULT '';
UPDATE users SET timezone = '' WHERE timezone = 'UTC';
