"""What operators are alerted to, when and by which words; no clock, no channel, no ledger."""
