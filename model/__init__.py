"""What is true: pure values and decisions, and the ledger that remembers them."""
