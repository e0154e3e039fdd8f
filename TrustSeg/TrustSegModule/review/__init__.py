"""The review of a result: decisions, edits, and the audit log."""
