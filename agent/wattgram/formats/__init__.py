"""Output formats of the commands: CSV, Parquet, HTML, and tables on a terminal."""
