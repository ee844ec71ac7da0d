"""Where things lie that nobody has named a place for, relative to where the command is given."""

from pathlib import Path

STORAGE = Path("sweeps")
"""A folder of sweeps."""
REPORTS = Path("reports")
"""What is made of them."""
