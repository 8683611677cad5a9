"""Words that every room uses: clock, record, units, period, errors, checks of foreign input. Imports no other room."""
