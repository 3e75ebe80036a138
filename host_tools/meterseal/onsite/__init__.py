"""At the cabinet: questions to a running board over its cable, batches out of a flash dump."""
