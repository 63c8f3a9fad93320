"""What every HTTP door shares: routes, who asks, limits, problems, logs, figures, and the server itself."""
