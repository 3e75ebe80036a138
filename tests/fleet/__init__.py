"""The example fleet: seals batches with an encoder of its own, imports nothing of the project
(apart from reporting.py, which runs reports over it)."""
