"""How operations are queued, run in batches, and answered; `executor.py` stands in front."""
