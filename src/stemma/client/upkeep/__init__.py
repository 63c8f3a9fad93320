"""What keeps a repository well, as the SDK offers it: webhooks, jobs, health."""
