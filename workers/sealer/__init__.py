"""The sealer: signs how far the ledger has come, and tells it to places outside of the database."""
