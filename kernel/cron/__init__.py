"""What is due at certain times: schedules, the tasks, and the job that gives each its turn."""
