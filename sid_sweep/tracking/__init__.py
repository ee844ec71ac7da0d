"""MLflow: the driver mirrors the folders of a sweep into it, and the analysis reads it back."""

from .mlflow_mirror import run_ids, track
from .read import fetch_student, fetch_trial, read_sweep
from .tracker import Tracker

__all__ = ["Tracker", "fetch_student", "fetch_trial", "read_sweep", "run_ids", "track"]
