"""Operations on the files of versions, on their way in."""
