"""What plugins put off until later: their queues, pushed to by a host function and worked by a tap."""
