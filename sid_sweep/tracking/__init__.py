"""What follows a sweep's folders: MLflow, which the analysis reads back, and a replica anywhere."""

from .client import address_of_run
from .mlflow_mirror import run_ids, store_of, track
from .provenance import provenance
from .read import fetch_student, fetch_trial, read_sweep
from .record import read_record
from .replica import replicate, restore
from .tracker import Tracker

__all__ = [
    "Tracker",
    "address_of_run",
    "fetch_student",
    "fetch_trial",
    "provenance",
    "read_record",
    "read_sweep",
    "replicate",
    "restore",
    "run_ids",
    "store_of",
    "track",
]
