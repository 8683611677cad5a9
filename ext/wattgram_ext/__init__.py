"""The compiled hot loop: registers to doubles, powers to carbon accounts, records to bytes; works on blocks."""
