"""The terms of a site's results, without its accounts."""

from __future__ import annotations

from wattgram.accounts.row_layout import Layout
from wattgram.accounts.stated_terms import StatedTerms
from wattgram.config.load import Config


def stated_terms(config: Config) -> StatedTerms:
    """Return the terms that the records of a configured site name."""
    layout = Layout.of(config)
    return StatedTerms.of(config, layout.channels, layout.parts, layout.columns, layout.terminals)
