"""MLflow: the driver mirrors the folders of a sweep into it, and the analysis reads it back."""

from .read import fetch_student, read_sweep
from .tracker import Tracker

__all__ = ["Tracker", "fetch_student", "read_sweep"]
