"""One job's folder: splits, ledger, lock, resume."""
