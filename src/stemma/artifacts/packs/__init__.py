"""What a pack holds and how: recipes of files, blocks, the form of the pack itself."""
