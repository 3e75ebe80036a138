"""Updates from afar: built and signed by an owner, offered in rings, stopped when bad."""
