"""Mail that the site sends: written, kept in a log, and handed to an SMTP server by a worker."""
