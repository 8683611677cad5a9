# cython: language_level=3, cdivision=True
"""The settings of a site's accounts, checked and written to its memory. ValueError: a message names the argument."""

from libc.math cimport NAN, log1p
from libc.stdint cimport uint32_t

from .channels cimport BATTERY, CHP, KIND_COUNT, METERS, PV, TERMINAL
from .given_row cimport HEAD
from .pool cimport Battery
from .site_memory cimport CERTIFICATES, COLUMN_COUNT, SOC, SiteMemory
from .terminals cimport Member
from .units cimport MOST_INTENSITY, MOST_POWER, WH_PER_KWH
from .windows cimport GROUP_COUNT


cdef enum:
    MOST_PARTS = 1000    # busbars or pools


cdef inline object checked(str name, double value, double least, double most):
    """Return None if a number is in its range."""
    if not least <= value <= most:
        raise ValueError(f"{name}: {value}, expected {least:g} to {most:g}")
    return None


cdef inline list indices_of(given, list roles, str name):
    """Return the busbar or pool of each channel, by default 0."""
    indices = [0] * len(roles) if given is None else list(given)
    if len(indices) != len(roles):
        raise ValueError(f"{name}: {len(indices)}, expected one a channel: {len(roles)}")
    for index in indices:
        if not 0 <= index < MOST_PARTS:
            raise ValueError(f"{name}: {index}, expected 0 to {MOST_PARTS - 1}")
    return indices


cdef inline Battery battery_of(settings, double soc_time) except *:
    """Return the settings of a pool."""
    charge_efficiency, discharge_efficiency, capacity, self_discharge, learning = settings
    # no battery has an efficiency of a thousandth; the bound keeps the mix of a discharge finite
    checked("charge_efficiency", charge_efficiency, 0.001, 1)
    checked("discharge_efficiency", discharge_efficiency, 0.001, 1)
    checked("capacity", capacity, 0, MOST_POWER)
    checked("self_discharge", self_discharge, 0, 0.999)
    return Battery(learning, charge_efficiency, discharge_efficiency, capacity, soc_time, log1p(-self_discharge))


cdef inline uint32_t hashed(uint32_t hash, int number) noexcept:
    """Return the next FNV-1a hash."""
    return (hash ^ <uint32_t> number) * <uint32_t> 16777619


cdef inline int set_channels(
    SiteMemory *site, list roles, list factors, groups, list busbars, list pools, tuple known_roles, tuple known_groups
) except -1:
    """Write role, factor and group of each channel. known_roles: the last one is that of terminals."""
    cdef int i, kind
    names = ["transport" if role == "ev" else "" for role in roles] if groups is None else list(groups)
    for name, values in (("factors", factors), ("groups", names)):
        if len(values) != len(roles):
            raise ValueError(f"{name}: {len(values)}, expected one a channel: {len(roles)}")
    kinds = []
    site.roles = site.header.roles
    for i in range(site.channels):
        if roles[i] not in known_roles:
            raise ValueError(f"channel {i}: role {roles[i]!r}, expected one of {' '.join(known_roles[:-1])}")
        if names[i] and names[i] not in known_groups:
            raise ValueError(f"channel {i}: group {names[i]!r}, expected one of {' '.join(known_groups)}")
        kind = known_roles.index(roles[i])
        site.header.roles = hashed(site.header.roles, kind)
        if roles[i] != known_roles[-1]:
            site.roles = hashed(site.roles, kind)
        if PV <= kind <= CHP:
            if not 0 <= factors[i] <= MOST_INTENSITY:
                raise ValueError(f"channel {i}: factor {factors[i]}, expected 0 to {MOST_INTENSITY} g/kWh")
            site.sides.factor[i] = factors[i] / WH_PER_KWH
        elif roles[i] == known_roles[-1]:
            kind = TERMINAL
        elif kind >= METERS:
            kind = METERS + (known_groups.index(names[i]) if names[i] else GROUP_COUNT)
            if kind < METERS + GROUP_COUNT:
                site.sides[<int> busbars[i]].grouped = True
        kinds.append(kind)
        site.sides.before[i] = NAN
    if site.busbars > 1 or site.pools > 1:
        for i in range(site.channels):
            site.header.roles = hashed(hashed(site.header.roles, busbars[i]), pools[i])
    set_order(site, kinds, busbars, pools)
    return 0


cdef inline int set_order(SiteMemory *site, list kinds, list busbars, list pools) except -1:
    """Sort the channels by busbar and kind, and the batteries of a busbar by pool."""
    cdef int busbar, kind, i, place = 0
    used = {pools[i]: busbars[i] for i in range(site.channels) if kinds[i] == BATTERY}
    for i in range(site.pools):
        site.sides.pools[i].busbar = used.get(i, 0)
    for busbar in range(site.busbars):
        for kind in range(KIND_COUNT):
            site.sides[busbar].firsts[kind] = place
            found = [i for i in range(site.channels) if busbars[i] == busbar and kinds[i] == kind]
            if kind == BATTERY:
                found.sort(key=pools.__getitem__)
            for i in found:
                site.sides.order[place] = i
                place += 1
                if kind != BATTERY:
                    continue
                if used[pools[i]] != busbar:
                    raise ValueError(f"pools: pool {pools[i]} on several busbars, expected one")
                if site.sides.pools[<int> pools[i]].last == 0:
                    site.sides.pools[<int> pools[i]].first = place - 1
                site.sides.pools[<int> pools[i]].last = place
        site.sides[busbar].firsts[KIND_COUNT] = place
    return 0


cdef inline int set_upstream(SiteMemory *site, list shares) except -1:
    """Write the share of each producer's carbon that is not of the combustion of its fuel."""
    cdef int i
    if len(shares) != site.channels:
        raise ValueError(f"upstream: {len(shares)}, expected one a channel: {site.channels}")
    for i in range(site.channels):
        checked(f"channel {i}: upstream", shares[i], 0, 1)
        site.sides.upstream[i] = shares[i]
    return 0


cdef inline int set_terminals(
    SiteMemory *site, list roles, list terminals, list busbars, str terminal_role
) except -1:
    """Write which terminal contains each channel."""
    cdef int i
    if len(terminals) != len(roles):
        raise ValueError(f"terminals: {len(terminals)}, expected one a channel: {len(roles)}")
    for i in range(site.channels):
        if roles[i] == terminal_role:
            site.terminals.count += 1
            site.terminals.members[i] = Member(busbars[i], i, False, False)
            continue
        if terminals[i] != -1 and (
            roles[i] not in ("pv", "battery")
            or not 0 <= terminals[i] < site.channels
            or roles[terminals[i]] != terminal_role
            or busbars[terminals[i]] != busbars[i]
        ):
            raise ValueError(f"channel {i}: terminal {terminals[i]}, expected a terminal of pv or battery, or -1")
        site.terminals.members[i] = Member(busbars[i], terminals[i], roles[i] == "pv", False)
    return 0


cdef inline int set_columns(SiteMemory *site, columns, tuple known_columns) except -1:
    """Write the place of each optional column, and the width of a row."""
    cdef int column, i
    sizes = (2 * site.channels, site.channels, site.pools, 1, 1, 1, 1, 1, 1, site.windows, 1, 1)
    site.width = HEAD + site.channels
    for column in range(COLUMN_COUNT):
        site.columns[column] = -1
    for name in columns:
        if name not in known_columns:
            raise ValueError(f"columns: {name!r}, expected some of {' '.join(known_columns)}")
        column = known_columns.index(name)
        if site.columns[column] >= 0:
            raise ValueError(f"columns: {name!r} twice, expected once")
        site.columns[column] = site.width
        site.width += sizes[column]
    if site.columns[CERTIFICATES] >= 0 and site.hour < 0:
        raise ValueError("hour: -1, expected the index of the hourly window that certificates are matched in")
    # a list, because a function of a .pxd file may not contain a generator
    if site.columns[SOC] >= 0 and not any([site.batteries[i].capacity > 0 for i in range(site.pools)]):
        raise ValueError("capacity: 0, expected the battery's Wh with a state of charge")
    return 0
