"""Stages: where an edit waits beside the live site."""
