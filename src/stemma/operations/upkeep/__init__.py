"""Operations on what a repository does by itself: webhooks, and how it fares."""
