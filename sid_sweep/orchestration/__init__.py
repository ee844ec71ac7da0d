"""The one room that knows of Ray: a cluster, Tune's loop over the ledger, Train's workers."""
