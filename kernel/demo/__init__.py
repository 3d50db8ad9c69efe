"""The demo site that a newcomer meets: real content, saved through the same jobs as anybody's."""
