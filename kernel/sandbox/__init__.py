"""Runs one call of one plugin under limits of CPU, memory, output and time; the only door to wasmtime."""
