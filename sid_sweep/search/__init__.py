"""Which arms to try, and how they did: a ledger over Optuna's journal, in the driver alone."""

from .earlier import earlier
from .ledger import Ledger
from .mend import mend
from .referee import Referee

__all__ = ["Ledger", "Referee", "earlier", "mend"]
