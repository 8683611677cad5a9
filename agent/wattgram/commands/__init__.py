"""The commands. Each file NAME.py has the options of a command and its output; the table names the files."""
