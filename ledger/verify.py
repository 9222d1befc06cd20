"""The verifier: a folder of static files or the store itself, against a verifier key from elsewhere."""

from ledger.disclosed import ValueOf
from ledger.report import Finding, Report
from ledger.verify_folder import verify_directory
from ledger.verify_store import verify_store

__all__ = ["Finding", "Report", "ValueOf", "verify_directory", "verify_store"]
