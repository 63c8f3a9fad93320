"""Operations by which two repositories exchange logs: one offers its entries, the other receives them."""
