"""What a plugin is: manifest, dependencies, artefact, and the set of those that loaded."""
