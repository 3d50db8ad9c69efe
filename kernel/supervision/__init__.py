"""Watching plugins: what they use, how they fail, and stopping a tap that fails too often."""
