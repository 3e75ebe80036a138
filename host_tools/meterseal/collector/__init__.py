"""Takes sealed batches, keeps every byte, acknowledges only what is durable."""
