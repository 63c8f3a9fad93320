"""The process: connections, the server, what it does by the clock, and several of them together."""
