"""`python -m stemma` is the command `stemma`."""

from stemma.cli import main

if __name__ == "__main__":  # not where a worker of the server imports this again
    main()
