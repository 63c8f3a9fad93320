"""Evidence: what proves a log to somebody else. Signed checkpoints, exports, and their verification offline."""
