"""OCMF records inside sealed batches: read strictly, checked against the sealed registers."""
