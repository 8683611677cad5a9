"""The compiled loop: registers to doubles, powers to carbon accounts, records to bytes. Blocks in, blocks out."""
