"""What works in the background: webhooks and their deliveries, leases and reports of jobs."""
