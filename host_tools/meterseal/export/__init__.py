"""What leaves for other software: OCMF records, sessions as CSV, OCPP values."""
