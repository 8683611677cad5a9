"""The site: from readings to instants, from instants to accounts, from results to records."""
