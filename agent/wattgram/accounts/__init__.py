"""The carbon accounts: balance, battery stock, windows, late energy, replay and the ledger of days."""
