"""PostgreSQL through psycopg 3, which comes with the extra `postgres`; nothing else imports it."""
