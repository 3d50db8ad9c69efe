-- Each new password makes the browsers unknown in which somebody has logged in before: what they hold names an older one.
ALTER TABLE users ADD COLUMN device_epoch integer NOT NULL DEFAULT 0;

-- The last of the half minutes, counted from 1970, whose one-time code was taken.
ALTER TABLE user_second_factor ADD COLUMN last_step bigint NOT NULL DEFAULT 0;
