"""What all rooms share: clock, records, units, periods, errors, checks of input. Imports no other room."""
