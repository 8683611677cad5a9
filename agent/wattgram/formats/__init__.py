"""Files and pages that commands write: CSV, Parquet, HTML, tables on a terminal."""
