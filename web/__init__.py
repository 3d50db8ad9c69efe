"""The web tier: reads, dispatches request taps, renders; every change it asks for becomes a job."""
