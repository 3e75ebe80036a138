"""The example fleet: seals batches with an encoder of its own, imports nothing of the project."""
