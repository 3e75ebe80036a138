"""One module for each schema, named after its revision."""
