"""Networks and all that moves their weights: optimiser, average, the ranks that share a batch."""
