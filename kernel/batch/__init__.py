"""Long work over many things, done in slices that can be watched, stopped and gone on with."""
