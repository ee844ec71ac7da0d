"""What runs in a worker, and what it is sent. Knows nothing of Ray."""
