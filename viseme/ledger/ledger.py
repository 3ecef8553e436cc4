"""The durable record of everything that was bought.

Every method is synchronous; each that writes is one short transaction, durable when it returns.
All raise ``LedgerError`` when the file cannot be read or written.
"""

from __future__ import annotations

from .accounts import Accounts
from .jobs import Jobs
from .leases import Leases
from .results import Results
from .submissions import Submissions
from .uploads import Uploads


class Ledger(Jobs, Submissions, Uploads, Results, Leases, Accounts):
    """One ledger file: ``Ledger.open(path)``.

    Safe to share between threads; each process opens its own.
    """
