"""Indicators by claim: each module is about one matter, and each function about one formula."""
