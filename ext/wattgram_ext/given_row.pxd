# cython: language_level=3, cdivision=True
"""An input row, read: unknown and impossible numbers get their stand-ins."""

from libc.math cimport NAN, isnan

from .channels cimport Row
from .site_memory cimport CARBON, CERTIFICATES, CERTIFICATE_FACTOR, ENERGY, OFFICIAL, RESIDUAL, SOC, SiteMemory
from .units cimport LEAST_SECONDS, MOST_INTENSITY, MOST_POWER, MOST_SECONDS, SECONDS_PER_HOUR, WH_PER_KWH


cdef enum:
    HEAD = 3             # numbers before the powers: seconds, grid g/kWh, grid clean share


cdef inline double given_number(const SiteMemory *site, const double *given, int column) noexcept nogil:
    """Return the value of a column with one double; NaN if absent."""
    return given[site.columns[column]] if site.columns[column] >= 0 else NAN


cdef inline Row read_row(const SiteMemory *site, const double *given) noexcept nogil:
    """Return an input row as the rules take it; its pointers are into `given`."""
    cdef Row row
    row.seconds = given[0] if LEAST_SECONDS <= given[0] <= MOST_SECONDS else 0.0
    row.hours = row.seconds / SECONDS_PER_HOUR
    row.per_hour = SECONDS_PER_HOUR / row.seconds if row.seconds > 0 else 0.0
    row.grid = given[1] / WH_PER_KWH
    # slightly above 1 is the rounding of a sum of shares
    row.grid_clean = min(1.0, given[2]) if 0 <= given[2] <= 1 + 1e-9 else 0.0
    row.powers = given + HEAD
    row.energies = NULL
    row.carbon = NULL
    if site.columns[ENERGY] >= 0 and row.seconds > 0:
        row.energies = given + site.columns[ENERGY]
    if site.columns[CARBON] >= 0:
        row.carbon = given + site.columns[CARBON]
    row.soc = given + site.columns[SOC] if site.columns[SOC] >= 0 else NULL
    row.official = given_number(site, given, OFFICIAL) / WH_PER_KWH
    if not 0 <= row.official <= MOST_INTENSITY / WH_PER_KWH:
        row.official = row.grid if isnan(site.tariff.official) else site.tariff.official
    row.residual = given_number(site, given, RESIDUAL) / WH_PER_KWH
    if not 0 <= row.residual <= MOST_INTENSITY / WH_PER_KWH:
        row.residual = site.tariff.residual
    row.certificates = given_number(site, given, CERTIFICATES)
    if not 0 <= row.certificates <= MOST_POWER * row.hours:
        row.certificates = 0
    row.certificate = given_number(site, given, CERTIFICATE_FACTOR) / WH_PER_KWH
    if not 0 <= row.certificate <= MOST_INTENSITY / WH_PER_KWH:
        row.certificate = site.tariff.certificate
    return row
