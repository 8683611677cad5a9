"""The hinge: readings become instants, instants go into the accounts, results become records."""
