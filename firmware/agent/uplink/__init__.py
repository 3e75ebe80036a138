"""The way to the collector: sends sealed batches, applies what it acknowledges."""
