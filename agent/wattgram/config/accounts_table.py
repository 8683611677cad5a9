"""The table `[accounts]`: the settings of the carbon accounts and their reader."""

from __future__ import annotations

from dataclasses import dataclass

from wattgram.base import toml_table
from wattgram.base.toml_table import Table


@dataclass(frozen=True, slots=True)
class AccountsConfig:
    """Settings of the accounts. uncertainty: whether windows state how sure their numbers are (METHOD-SITE 11)."""

    uncertainty: bool = True


def read(table: Table) -> AccountsConfig:
    """Read `[accounts]`; mistakes go to the table."""
    uncertainty = table.take("uncertainty", toml_table.flag, True)
    table.done()
    return AccountsConfig(uncertainty is not False)
