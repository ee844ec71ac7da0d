"""From a sweep to its results: the ledger, the trials, and the only room that knows of Ray."""
