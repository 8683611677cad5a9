# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: autotestdict=False, auto_pickle=False
"""Carbon accounts from powers. Section numbers refer to METHOD, the emission method of this project.

a. Internal units are W, Wh, g and g/Wh; only inputs and outputs use g/kWh.
b. Incoming energy has three attributes per Wh: carbon, clean share, and share of the site's own renewable
   production. The allocation rules (`sharing`) and the battery (`pool`) move all three in the same way, so each
   output is a sum over the energy that arrived at a target.
c. Each row passes five functions: read, balance, allocate, book, store. Without a load, the present channels are
   booked all the same: their surplus is unaccounted, until `late` settles the time (METHOD-SITE 9, 12).
d. Balance and allocation are those of each busbar, and the store is that of each pool (METHOD-SITE 8.4, 9.6); the
   sums are the site's alone.
e. The state for a restart is a single block of memory, which `state` and `restore` copy.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.math cimport INFINITY, NAN, fabs, isfinite, isnan, log1p
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from .amounts cimport AMOUNT_COUNT, Waiting, begin, take, wait, withhold
from .booking cimport (
    Held, Open, OpenBusbar, OpenCharge, Tariff, book, book_unsettled, exchanged, gain, gain_settled, gain_unpriced,
    gain_unpriced_load, hold, keep_busbar, keep_charge, release, settle,
)
from .busbars cimport Draw, Lane, append, joined_flows, joined_shares
from .channels cimport (
    BATTERY, CHP, GRID, KIND_COUNT, METERS, NOISE, PV, ROUNDING, TERMINAL, BatteryGroup, Channels, Flows, Row, Seen,
    balance, count, flows, judge, tell, told,
)
from .group_use cimport (
    Quarter, book_groups, book_open_groups, book_settled_groups, book_unpriced_groups, book_waiting_groups, keep_quarter,
)
from .old_state cimport (
    OLD_HEADER, VERSION, VERSION_BALANCED, VERSION_ONE, VERSION_OPEN, OldOpen, part_of_charge, part_of_stock,
    part_of_trips, sums_of, take_balanced, take_one, take_open, take_open_time,
)
from .pool cimport (
    Battery, Stock, Trips, charge, correct, delivered_intensity, delivery, discharge, learned_trip, leg, note_flows,
    note_intensity, open_stock, out_of_range, rest, revise_charge,
)
from .sharing cimport SOURCE_COUNT, Parcel, Shares, part_of, share_known, share_locally, share_proportionally
from .terminals cimport Contained, Member, Terminals, hide, remember, unnamed
from .units cimport (
    G_PER_KG, LEAST_SECONDS, MOST_INTENSITY, MOST_POWER, MOST_RATE, MOST_SECONDS, SECONDS_PER_HOUR, WH_PER_KWH,
)
from .windows cimport *

ROLES = ("grid", "pv", "wind", "hydro", "genset", "chp", "battery", "load", "ev")
TERMINAL_ROLE = "terminal"
GROUPS = ("industry", "power", "building", "transport")
COLUMNS = (
    "energy", "carbon", "soc", "certificates", "captured", "official", "burnt", "biogenic", "heat", "ends", "residual",
)
OUTPUTS = (
    "load_power", "grid_import_power", "grid_export_power", "pv_power", "generation_power",
    "battery_discharge_power", "battery_charge_power", "residual_power",
    "load_energy", "grid_import_energy", "grid_export_energy", "pv_energy", "generation_energy",
    "battery_discharge_energy", "battery_charge_energy", "residual_energy",
    "emission_intensity", "grid_intensity", "battery_intensity", "emission_rate",
    "emission", "scope1", "scope2_location", "scope2_market", "avoided", "captured",
    "clean_share", "self_consumption", "self_sufficiency", "coverage",
    "unaccounted_energy", "battery_loss_energy",
    "grid_import_emission", "grid_export_emission", "pv_emission", "generation_emission",
    "battery_discharge_emission", "battery_charge_emission", "battery_loss_emission", "unaccounted_emission",
    "battery_stock_energy", "battery_stock_emission",
)
DETAILS = (
    *[f"{group}_{kind}" for kind in ("energy", "emission", "own_energy") for group in (*GROUPS, "rest")],
    "fuel_energy", "fuel_rate", "fuel_intensity", "matched_energy", "carbon_free_share",
    "fuel_emission", "heat_fuel_emission", "biogenic_emission", "heat_energy",
)
CLOSED = ("row", "window", *OUTPUTS, *DETAILS)


cdef enum:               # as COLUMNS
    ENERGY, CARBON, SOC, CERTIFICATES, CAPTURED_MASS, OFFICIAL, BURNT, BIOGENIC, HEAT, ENDS, RESIDUAL
    COLUMN_COUNT


cdef enum:
    HEAD = 3             # of an input row: seconds, grid g/kWh, grid clean share
    CLOSED_COUNT = 2 + OUTPUT_COUNT + DETAIL_COUNT
    MOST_PARTS = 1000    # busbars or pools
    LONG = 64            # rows from which releasing the interpreter's lock pays


# METHOD 4.5, E_min: share of the rated energy of the window, and steps of the meter's register.
cdef double LEAST_SHARE = 0.005
cdef double LEAST_STEPS = 5.0
cdef uint64_t MAGIC = 0x3147_4D41_5247_5457  # "WTGRAMG1", read in native order


cdef struct Header:
    uint64_t magic
    uint32_t version
    uint32_t channels
    uint32_t windows
    uint32_t roles       # FNV-1a over the channels' roles, and over their busbars and pools if there are several
    uint32_t busbars
    uint32_t pools


cdef inline Parcel part_for(const Parcel *whole, double part, double charge) noexcept nogil:
    """Return the part of what a busbar charges that is a pool's: `part` of `charge`."""
    if not part > 0:
        return Parcel(0, 0, 0, 0)
    return whole[0] if part == charge else part_of(whole, part / charge)


cdef uint32_t hashed(uint32_t hash, int number) noexcept:
    """Return the next FNV-1a hash."""
    return (hash ^ <uint32_t> number) * <uint32_t> 16777619


cdef list indices_of(given, list roles, str name):
    """Return the busbar or pool of each channel, by default 0; ValueError if that is invalid."""
    indices = [0] * len(roles) if given is None else list(given)
    if len(indices) != len(roles):
        raise ValueError(f"{name}: {len(indices)}, expected one a channel: {len(roles)}")
    for index in indices:
        if not 0 <= index < MOST_PARTS:
            raise ValueError(f"{name}: {index}, expected 0 to {MOST_PARTS - 1}")
    return indices


cdef Battery battery_of(settings, double soc_time) except *:
    """Return the settings of a pool; ValueError if they are invalid."""
    charge_efficiency, discharge_efficiency, capacity, self_discharge, learning = settings
    # no battery has an efficiency of a thousandth; the bound keeps the mix of a discharge finite
    checked("charge_efficiency", charge_efficiency, 0.001, 1)
    checked("discharge_efficiency", discharge_efficiency, 0.001, 1)
    checked("capacity", capacity, 0, MOST_POWER)
    checked("self_discharge", self_discharge, 0, 0.999)
    return Battery(learning, charge_efficiency, discharge_efficiency, capacity, soc_time, log1p(-self_discharge))


cdef object checked(str name, double value, double least, double most):
    if not least <= value <= most:
        raise ValueError(f"{name}: {value}, expected {least:g} to {most:g}")
    return None


@cython.final
cdef class Accounts:
    cdef int channels              # number of channels
    cdef int busbars
    cdef int pools
    cdef Channels *sides           # the channels of each busbar
    cdef Terminals terminals
    cdef Waiting waiting           # for amounts of fuel and heat
    cdef Contained *contained      # of each busbar, in the computation of a row
    cdef Battery *batteries        # settings of each pool
    cdef Lane *lanes               # of each busbar, in the computation of a row
    cdef Draw *draws               # of each pool, likewise
    cdef uint32_t roles            # FNV-1a over the channels' roles alone, as in states of older versions
    cdef Tariff tariff
    cdef int windows
    cdef int hour                  # window in which certificates are matched; -1 for none
    cdef int width                 # doubles of an input row
    cdef int columns[COLUMN_COUNT]     # each column's index in a row; -1 if absent
    cdef bint local_first
    cdef double rated_power
    cdef double register_step
    cdef bytes ended
    # the block that state() copies, and its parts; the last part is the channels' powers at the previous instant
    cdef char *block
    cdef Py_ssize_t block_size
    cdef Header *header
    cdef Stock *stores             # of each pool
    cdef Trips *trips              # of each pool
    cdef Quarter *quarters         # of each busbar
    cdef Open *open
    cdef Held *held
    cdef OpenBusbar *open_sides    # of each busbar
    cdef OpenCharge *open_charges  # of each pool
    cdef Sums *totals
    cdef Sums *starts              # totals at each window's start

    def __cinit__(
        self,
        roles,
        factors,
        *,
        str method not None="proportional",
        double residual_factor=NAN,
        double charge_efficiency=0.95,
        double discharge_efficiency=0.95,
        int windows=0,
        columns=(),
        groups=None,
        double rated_power=0.0,
        double register_step=0.0,
        double official_factor=NAN,
        double certificate_factor=0.0,
        int hour=-1,
        double capacity=0.0,
        double soc_time=3600.0,
        double self_discharge=0.0,
        bint learning=False,
        terminals=None,
        busbars=None,
        pools=None,
        batteries=None,
        upstream=None,
    ):
        cdef int i
        roles, factors = list(roles), list(factors)
        if method not in ("proportional", "local-first"):
            raise ValueError(f"method: {method!r}, expected proportional or local-first")
        if not isnan(residual_factor):
            checked("residual_factor", residual_factor, 0, MOST_INTENSITY)
        checked("windows", windows, 0, 1000)
        checked("rated_power", rated_power, 0, MOST_POWER)
        checked("register_step", register_step, 0, MOST_POWER)
        if not isnan(official_factor):
            checked("official_factor", official_factor, 0, MOST_INTENSITY)
        checked("certificate_factor", certificate_factor, 0, MOST_INTENSITY)
        checked("hour", hour, -1, windows - 1)
        checked("soc_time", soc_time, 1e-3, MOST_SECONDS)
        busbars, pools = indices_of(busbars, roles, "busbars"), indices_of(pools, roles, "pools")
        if batteries is None:
            settings = (charge_efficiency, discharge_efficiency, capacity, self_discharge, learning)
            batteries = [settings] * (1 + max(pools, default=0))
        batteries = list(batteries)
        if len(batteries) <= max(pools, default=0):
            raise ValueError(f"batteries: {len(batteries)}, expected one a pool: {1 + max(pools, default=0)}")
        self.channels = len(roles)
        self.busbars = 1 + max(busbars, default=0)
        self.pools = len(batteries)
        self.windows = windows
        self.hour = hour
        self.local_first = method == "local-first"
        self.tariff.residual = residual_factor / WH_PER_KWH
        self.tariff.official = official_factor / WH_PER_KWH
        self.tariff.certificate = certificate_factor / WH_PER_KWH
        self.rated_power = rated_power
        self.register_step = register_step
        self.ended = b""
        self.allocate()
        for i in range(self.pools):
            self.batteries[i] = battery_of(batteries[i], soc_time)
        self.header[0] = Header(MAGIC, VERSION, self.channels, windows, 2166136261, self.busbars, self.pools)
        self.set_channels(roles, factors, groups, busbars, pools)
        self.set_upstream([0.0] * len(roles) if upstream is None else list(upstream))
        self.set_terminals(roles, [-1] * len(roles) if terminals is None else list(terminals), busbars)
        self.set_columns(columns)

    def __init__(self, *_, **__):
        """Do nothing: `__cinit__` has initialised all. The method gives the class the stub's signature."""

    def __dealloc__(self):
        if self.sides != NULL:
            free(self.sides.order)
            free(self.sides.factor)
            free(self.sides.upstream)
            free(self.sides.pools)
        free(self.contained)
        free(self.waiting.before)
        free(self.waiting.lasted)
        free(self.terminals.members)
        free(self.terminals.powers)
        free(self.terminals.energies)
        free(self.sides)
        free(self.batteries)
        free(self.lanes)
        free(self.draws)
        free(self.block)

    cdef int allocate(self) except -1:
        """Allocate the arrays of channels, busbars and pools, and the block of the state with its parts."""
        cdef int *order
        cdef double *factor
        cdef double *upstream
        cdef BatteryGroup *groups
        cdef int i
        self.sides = <Channels *> calloc(self.busbars, sizeof(Channels))
        if self.sides == NULL:
            raise MemoryError
        # one element more than needed: calloc(0) may return NULL
        order = self.sides.order = <int *> calloc(self.channels + 1, sizeof(int))
        factor = self.sides.factor = <double *> calloc(self.channels + 1, sizeof(double))
        upstream = self.sides.upstream = <double *> calloc(self.channels + 1, sizeof(double))
        groups = self.sides.pools = <BatteryGroup *> calloc(self.pools, sizeof(BatteryGroup))
        self.batteries = <Battery *> calloc(self.pools, sizeof(Battery))
        self.contained = <Contained *> calloc(self.busbars, sizeof(Contained))
        self.terminals.members = <Member *> calloc(self.channels + 1, sizeof(Member))
        self.terminals.powers = <double *> calloc(self.channels + 1, sizeof(double))
        self.terminals.energies = <double *> calloc(2 * self.channels + 1, sizeof(double))
        self.waiting.before = <double *> calloc(AMOUNT_COUNT * self.windows + 1, sizeof(double))
        self.waiting.lasted = <double *> calloc(self.windows + 1, sizeof(double))
        self.lanes = <Lane *> calloc(self.busbars, sizeof(Lane))
        self.draws = <Draw *> calloc(self.pools, sizeof(Draw))
        self.block_size = (
            sizeof(Header) + self.pools * (sizeof(Stock) + sizeof(Trips) + sizeof(OpenCharge)) + sizeof(Open)
            + sizeof(Held) + self.busbars * (sizeof(Quarter) + sizeof(OpenBusbar)) + (1 + self.windows) * sizeof(Sums)
            + self.channels * sizeof(double)
        )
        self.block = <char *> calloc(1, self.block_size)
        if (
            order == NULL or factor == NULL or upstream == NULL or groups == NULL or self.batteries == NULL or self.lanes == NULL
            or self.draws == NULL or self.block == NULL or self.contained == NULL or self.terminals.members == NULL
            or self.terminals.powers == NULL or self.terminals.energies == NULL or self.waiting.before == NULL
            or self.waiting.lasted == NULL
        ):
            raise MemoryError
        self.header = <Header *> self.block
        self.stores = <Stock *> (self.header + 1)
        self.trips = <Trips *> (self.stores + self.pools)
        self.quarters = <Quarter *> (self.trips + self.pools)
        self.open = <Open *> (self.quarters + self.busbars)
        self.held = <Held *> (self.open + 1)
        self.open_sides = <OpenBusbar *> (self.held + 1)
        self.open_charges = <OpenCharge *> (self.open_sides + self.busbars)
        self.totals = <Sums *> (self.open_charges + self.pools)
        self.starts = self.totals + 1
        for i in range(self.busbars):
            self.sides[i].busbar = i
            self.sides[i].count = self.channels
            self.sides[i].order = order
            self.sides[i].factor = factor
            self.sides[i].upstream = upstream
            self.sides[i].pool_count = self.pools
            self.sides[i].pools = groups
            self.sides[i].before = <double *> (self.starts + self.windows)
        return 0

    cdef int set_channels(self, list roles, list factors, groups, list busbars, list pools) except -1:
        cdef int i, kind
        names = ["transport" if role == "ev" else "" for role in roles] if groups is None else list(groups)
        for name, values in (("factors", factors), ("groups", names)):
            if len(values) != len(roles):
                raise ValueError(f"{name}: {len(values)}, expected one a channel: {len(roles)}")
        kinds = []
        self.roles = self.header.roles
        for i in range(self.channels):
            if roles[i] not in (*ROLES, TERMINAL_ROLE):
                raise ValueError(f"channel {i}: role {roles[i]!r}, expected one of {' '.join(ROLES)}")
            if names[i] and names[i] not in GROUPS:
                raise ValueError(f"channel {i}: group {names[i]!r}, expected one of {' '.join(GROUPS)}")
            kind = (*ROLES, TERMINAL_ROLE).index(roles[i])
            self.header.roles = hashed(self.header.roles, kind)
            if roles[i] != TERMINAL_ROLE:
                self.roles = hashed(self.roles, kind)
            if PV <= kind <= CHP:
                if not 0 <= factors[i] <= MOST_INTENSITY:
                    raise ValueError(f"channel {i}: factor {factors[i]}, expected 0 to {MOST_INTENSITY} g/kWh")
                self.sides.factor[i] = factors[i] / WH_PER_KWH
            elif roles[i] == TERMINAL_ROLE:
                kind = TERMINAL
            elif kind >= METERS:
                kind = METERS + (GROUPS.index(names[i]) if names[i] else GROUP_COUNT)
                if kind < METERS + GROUP_COUNT:
                    self.sides[<int> busbars[i]].grouped = True
            kinds.append(kind)
            self.sides.before[i] = NAN
        if self.busbars > 1 or self.pools > 1:
            for i in range(self.channels):
                self.header.roles = hashed(hashed(self.header.roles, busbars[i]), pools[i])
        self.set_order(kinds, busbars, pools)
        return 0

    cdef int set_upstream(self, list shares) except -1:
        cdef int i
        if len(shares) != self.channels:
            raise ValueError(f"upstream: {len(shares)}, expected one a channel: {self.channels}")
        for i in range(self.channels):
            checked(f"channel {i}: upstream", shares[i], 0, 1)
            self.sides.upstream[i] = shares[i]
        return 0

    cdef int set_terminals(self, list roles, list terminals, list busbars) except -1:
        cdef int i
        if len(terminals) != len(roles):
            raise ValueError(f"terminals: {len(terminals)}, expected one a channel: {len(roles)}")
        for i in range(self.channels):
            if roles[i] == TERMINAL_ROLE:
                self.terminals.count += 1
                self.terminals.members[i] = Member(busbars[i], i, False, False)
                continue
            if terminals[i] != -1 and (
                roles[i] not in ("pv", "battery")
                or not 0 <= terminals[i] < self.channels
                or roles[terminals[i]] != TERMINAL_ROLE
                or busbars[terminals[i]] != busbars[i]
            ):
                raise ValueError(f"channel {i}: terminal {terminals[i]}, expected a terminal of pv or battery, or -1")
            self.terminals.members[i] = Member(busbars[i], terminals[i], roles[i] == "pv", False)
        return 0

    cdef int set_order(self, list kinds, list busbars, list pools) except -1:
        """Sort the channels by busbar and kind, and the batteries of a busbar by pool."""
        cdef int busbar, kind, i, place = 0
        used = {pools[i]: busbars[i] for i in range(self.channels) if kinds[i] == BATTERY}
        for i in range(self.pools):
            self.sides.pools[i].busbar = used.get(i, 0)
        for busbar in range(self.busbars):
            for kind in range(KIND_COUNT):
                self.sides[busbar].firsts[kind] = place
                found = [i for i in range(self.channels) if busbars[i] == busbar and kinds[i] == kind]
                if kind == BATTERY:
                    found.sort(key=pools.__getitem__)
                for i in found:
                    self.sides.order[place] = i
                    place += 1
                    if kind != BATTERY:
                        continue
                    if used[pools[i]] != busbar:
                        raise ValueError(f"pools: pool {pools[i]} on several busbars, expected one")
                    if self.sides.pools[<int> pools[i]].last == 0:
                        self.sides.pools[<int> pools[i]].first = place - 1
                    self.sides.pools[<int> pools[i]].last = place
            self.sides[busbar].firsts[KIND_COUNT] = place
        return 0

    cdef int set_columns(self, columns) except -1:
        cdef int column, i
        sizes = (2 * self.channels, self.channels, self.pools, 1, 1, 1, 1, 1, 1, self.windows, 1)
        self.width = HEAD + self.channels
        for column in range(COLUMN_COUNT):
            self.columns[column] = -1
        for name in columns:
            if name not in COLUMNS:
                raise ValueError(f"columns: {name!r}, expected some of {' '.join(COLUMNS)}")
            column = COLUMNS.index(name)
            if self.columns[column] >= 0:
                raise ValueError(f"columns: {name!r} twice, expected once")
            self.columns[column] = self.width
            self.width += sizes[column]
        if self.columns[CERTIFICATES] >= 0 and self.hour < 0:
            raise ValueError("hour: -1, expected the index of the hourly window that certificates are matched in")
        if self.columns[SOC] >= 0 and not any(self.batteries[i].capacity > 0 for i in range(self.pools)):
            raise ValueError("capacity: 0, expected the battery's Wh with a state of charge")
        return 0

    # read a row

    cdef inline double column(self, const double *given, int column) noexcept nogil:
        """Return the value of a column with one double; NaN if absent."""
        return given[self.columns[column]] if self.columns[column] >= 0 else NAN

    cdef inline Row read(self, const double *given) noexcept nogil:
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
        if self.columns[ENERGY] >= 0 and row.seconds > 0:
            row.energies = given + self.columns[ENERGY]
        if self.columns[CARBON] >= 0:
            row.carbon = given + self.columns[CARBON]
        row.soc = given + self.columns[SOC] if self.columns[SOC] >= 0 else NULL
        row.official = self.column(given, OFFICIAL) / WH_PER_KWH
        if not 0 <= row.official <= MOST_INTENSITY / WH_PER_KWH:
            row.official = row.grid if isnan(self.tariff.official) else self.tariff.official
        row.residual = self.column(given, RESIDUAL) / WH_PER_KWH
        if not 0 <= row.residual <= MOST_INTENSITY / WH_PER_KWH:
            row.residual = self.tariff.residual
        row.certificates = self.column(given, CERTIFICATES)
        if not 0 <= row.certificates <= MOST_POWER * row.hours:
            row.certificates = 0
        return row

    # allocate

    cdef inline void sources_of(
        self, const Row *row, const Flows *flows, const Parcel *drawn, Parcel *sources
    ) noexcept nogil:
        sources[0] = Parcel(flows.renewable, flows.renewable_carbon, flows.renewable, flows.renewable)
        sources[1] = drawn[0]
        sources[2] = Parcel(flows.fuel, flows.fuel_carbon, 0, 0)
        sources[3] = Parcel(flows.imported, flows.imported * row.grid, flows.imported * row.grid_clean, 0)

    cdef inline Shares share_out(
        self, const Parcel *sources, double load, double charge, double exported
    ) noexcept nogil:
        if self.local_first:
            return share_locally(sources, load, charge, exported)
        return share_proportionally(sources, load, charge, exported)

    # store

    cdef inline double charging(self, int pool) noexcept nogil:
        """Return the efficiency of a charge."""
        return leg(self.trips + pool, self.batteries + pool, self.batteries[pool].charge)

    cdef inline double discharging(self, int pool) noexcept nogil:
        """Return the efficiency of a discharge."""
        return leg(self.trips + pool, self.batteries + pool, self.batteries[pool].discharge)

    cdef inline Parcel draw(self, const Row *row) noexcept nogil:
        """Find what each pool delivers in an interval, and return the sum."""
        cdef Parcel result = Parcel(0, 0, 0, 0)
        cdef const BatteryGroup *pool
        cdef int i
        for i in range(self.pools):
            pool = self.sides.pools + i
            if row.seconds > 0:
                note_flows(self.trips + i, pool.charge * row.hours, pool.discharge * row.hours)
            self.draws[i].drawn = delivery(
                self.stores + i, self.trips + i, pool.discharge, row.hours, self.discharging(i), row.official, row.grid_clean
            )
            append(&result, &self.draws[i].drawn.parcel)
        return result

    cdef inline Parcel drawn_on(self, int busbar) noexcept nogil:
        """Return what the pools of a busbar deliver."""
        cdef Parcel result = Parcel(0, 0, 0, 0)
        cdef int i
        for i in range(self.pools):
            if self.sides.pools[i].busbar == busbar:
                append(&result, &self.draws[i].drawn.parcel)
        return result

    cdef inline double next_intensity(self) noexcept nogil:
        """Return the intensity of the next Wh that the pools deliver together, g/Wh; NaN if all are empty."""
        cdef double carbon = 0
        cdef double energy = 0
        cdef int i, last = 0, full = 0
        for i in range(self.pools):
            if self.stores[i].energy > 0:
                carbon += self.stores[i].carbon
                energy += self.stores[i].energy * self.discharging(i)
                last = i
                full += 1
        if full == 1:
            return delivered_intensity(self.stores + last, self.discharging(last))
        return carbon / energy if full else NAN

    cdef inline void move(
        self, int pool, const Row *row, double power, const Parcel *arrival, double drawn
    ) noexcept nogil:
        """Move an interval's energy in and out of a pool. power: charged, W. drawn: Wh inside the store."""
        cdef Stock *stock = self.stores + pool
        cdef double lost = 0
        cdef double soc = row.soc[pool] if row.soc != NULL and self.batteries[pool].capacity > 0 else NAN
        if row.seconds > 0:
            discharge(stock, self.trips + pool, drawn)
            charge(stock, self.trips + pool, arrival, power, row.hours, self.charging(pool))
            lost = rest(stock, self.batteries + pool, row.hours)
        if 0 <= soc <= 1:
            if not stock.opened > 0:
                add(
                    self.totals, SUM_OPENING,
                    open_stock(stock, self.trips + pool, self.batteries + pool, soc, row.official, row.grid_clean)
                    * row.official,
                )
            elif row.seconds > 0:
                lost += correct(stock, self.batteries + pool, soc, row.seconds)
        if lost > 0:
            add(self.totals, SUM_LOST, lost)

    cdef inline void store(self, const Row *row, bint kept, double *out) noexcept nogil:
        """Move an interval's energy in and out of the pools. kept: the interval waits for `settle`."""
        cdef const BatteryGroup *pool
        cdef const Lane *lane
        cdef Draw *draw
        cdef Parcel arrival
        cdef int i
        out[LOSS_ENERGY] = out[LOSS_EMISSION] = 0
        for i in range(self.pools):
            pool, draw = self.sides.pools + i, self.draws + i
            lane = self.lanes + pool.busbar
            arrival = part_for(&lane.shares.charge, pool.charge, lane.moved.charge)
            if kept and not (lane.balanced and not lane.moved.hidden):
                keep_charge(self.open_charges + i, &arrival, row.hours)
            if draw.drawn.opening > 0 and row.seconds > 0:
                add(self.totals, SUM_OPENING, draw.drawn.opening_carbon)
            draw.before = self.stores[i]
            self.move(i, row, pool.charge, &arrival, draw.drawn.energy)
            self.lose(i, row.hours, pool.charge * row.hours, arrival.carbon * row.hours, out)

    # rows and windows

    cdef inline void take_amounts(self, const double *given, double seconds) noexcept nogil:
        """Add the known amounts of fuel and heat, with or without a balance."""
        cdef int i
        wait(&self.waiting, self.windows, seconds)
        for i in range(AMOUNT_COUNT):
            take(&self.waiting, self.windows, self.totals, self.starts, i, self.column(given, BURNT + i))

    cdef inline bint balances(self, const Row *row, Flows *moved, double *out) noexcept nogil:
        """Compute the balance of each busbar and write that of the site to `out`. Return whether its load is known.

        moved: receives the flows of the site; those of the one busbar in place.
        """
        cdef Lane *lane
        cdef bint balanced = True
        cdef int i, meters = 0, seen = 0
        for i in range(self.busbars):
            lane = self.lanes + i
            judge(self.sides + i, &lane.seen, &lane.moved)
            lane.balanced = balance(&lane.moved)
            balanced = balanced and lane.balanced
            meters += count(self.sides + i, METERS, METERS + GROUP_COUNT)
            seen += lane.seen.meters
        if self.busbars > 1:
            moved[0] = joined_flows(self.lanes, self.busbars)
        if moved.coverage > 0 or moved.hidden:
            tell(row, moved, meters > 0 and seen == meters, balanced, out)
        return balanced

    cdef void row(self, const double *given, double *out) noexcept nogil:
        """Compute an output row from an input row; both as in the stub."""
        cdef Row row = self.read(given)
        cdef Flows joined
        cdef Shares joined_parts
        cdef Flows *moved = &joined if self.busbars > 1 else &self.lanes.moved
        cdef Shares *shares = &joined_parts if self.busbars > 1 else &self.lanes.shares
        cdef Parcel drawn
        cdef Lane *lane
        cdef double gained[SUM_CORE]
        cdef double captured = self.column(given, CAPTURED_MASS)
        cdef double burnt = self.column(given, BURNT)
        cdef const Sums *hour = self.starts + self.hour if self.columns[CERTIFICATES] >= 0 else NULL
        cdef bint known, priced, kept
        cdef int i
        self.mend_market(&row)
        self.move_flows(&row)
        for i in range(OUTPUT_COUNT):
            out[i] = NAN
        out[COVERAGE] = 0
        if row.seconds > 0 and 0 <= captured <= MOST_POWER:
            out[CAPTURED] = captured * G_PER_KG
            add(self.totals, SUM_CAPTURED, out[CAPTURED])
            add(self.totals, SUM_CAPTURED_TIME, row.seconds)
        if not 0 <= burnt <= MOST_RATE:
            burnt = NAN
        if self.columns[BURNT] >= 0 or self.columns[BIOGENIC] >= 0 or self.columns[HEAT] >= 0:
            self.take_amounts(given, row.seconds)
        if not 0 <= given[1] <= MOST_INTENSITY:
            return
        out[GRID_INTENSITY] = given[1]
        known = self.balances(&row, moved, out)
        moved.unpriced = moved.unpriced and known  # of the site: a busbar alone says nothing of it
        priced = known and not moved.unpriced
        if not out[COVERAGE] > 0 and not moved.hidden:
            return
        for i in range(self.pools if row.soc != NULL else 0):
            if 0 <= row.soc[i] <= 1 and self.batteries[i].capacity > 0:
                self.trips[i].reported = 1
        drawn = self.draw(&row)
        if moved.discharge > 0:
            out[BATTERY_INTENSITY] = drawn.carbon / moved.discharge * WH_PER_KWH
        else:
            out[BATTERY_INTENSITY] = self.next_intensity() * WH_PER_KWH
        for i in range(SUM_CORE):
            gained[i] = 0
        for i in range(self.busbars):
            lane = self.lanes + i
            if self.busbars > 1:
                drawn = self.drawn_on(i)
            self.sources_of(&row, &lane.moved, &drawn, lane.sources)
            if lane.balanced and not lane.moved.hidden:
                lane.shares = self.share_out(lane.sources, lane.moved.load, lane.moved.charge, lane.moved.exported)
            else:
                lane.shares = share_known(
                    lane.sources, lane.moved.charge, lane.moved.exported, row.grid, row.grid_clean
                )
            gain(&self.tariff, &row, &lane.moved, &lane.shares, lane.sources, priced, gained)
            if moved.unpriced:
                gain_unpriced_load(&lane.moved, gained)
        if self.busbars > 1:
            joined_parts = joined_shares(self.lanes, self.busbars)
        kept = row.seconds > 0 and not moved.whole
        book(
            self.totals, NULL if moved.whole else self.open, hour, &self.tariff, &row, moved, shares, gained, priced, out
        )
        if row.seconds > 0:
            self.book_parts(&row, priced, moved.unpriced, kept)
        if self.columns[BURNT] >= 0:
            out[SCOPE1] += burnt
        self.store(&row, kept, out)
        self.show_stock(out)
        if moved.hidden:  # what a battery does is unknown, and so is the stock at this instant
            out[BATTERY_INTENSITY] = out[LOSS_ENERGY] = out[LOSS_EMISSION] = NAN
            out[STOCK_ENERGY] = out[STOCK_EMISSION] = NAN

    cdef inline void mend_market(self, const Row *row) noexcept nogil:
        """Start the market-based sum anew after a time with an unknown residual mix: running windows stay unknown."""
        cdef int i
        if isnan(row.residual) or not isnan(self.totals.high[SUM_SCOPE2_MARKET]):
            return
        self.totals.high[SUM_SCOPE2_MARKET] = self.totals.low[SUM_SCOPE2_MARKET] = 0
        for i in range(self.windows):
            self.starts[i].high[SUM_SCOPE2_MARKET] = NAN
            self.starts[i].low[SUM_SCOPE2_MARKET] = 0

    cdef inline void move_flows(self, Row *row) noexcept nogil:
        """Write the flows of each busbar to its lane; terminals replace the channels of an unknown split."""
        cdef const double *powers = row.powers
        cdef bint contained = False
        cdef int i
        if self.terminals.count:
            for i in range(self.busbars):
                self.contained[i] = Contained(0, 0, 0)
            contained = hide(self.sides, &self.terminals, row, self.contained)
        for i in range(self.busbars):
            self.lanes[i].moved = flows(self.sides + i, row, &self.lanes[i].seen)
            self.lanes[i].moved.unnamed = self.contained[i].batteries
            if contained:
                self.lanes[i].moved.terminal = self.contained[i].power
                self.lanes[i].moved.hidden = self.contained[i].channels
        if contained:
            remember(self.sides, &self.terminals, powers)

    cdef inline void book_parts(self, const Row *row, bint priced, bint unpriced, bint kept) noexcept nogil:
        """Book the groups of each busbar. kept: remember the interval for `settle`."""
        cdef const Lane *lane
        cdef int i
        for i in range(self.busbars):
            lane = self.lanes + i
            if self.sides[i].grouped and priced:
                book_groups(self.totals, row.hours, lane.moved.groups, lane.moved.load, &lane.shares.load)
            elif self.sides[i].grouped:
                book_open_groups(self.totals, row.hours, &lane.moved, unpriced)
            if self.sides[i].grouped:
                keep_quarter(
                    self.quarters + i, row, lane.moved.load, &lane.shares.load, priced or unpriced, priced,
                    kept and lane.balanced and not lane.moved.hidden, kept,
                    lane.seen.meters < count(self.sides + i, METERS, METERS + GROUP_COUNT),
                )
            if kept and lane.balanced and not lane.moved.hidden:
                hold(self.held, row, &lane.moved, &lane.shares)
            elif kept:
                keep_busbar(self.open_sides + i, &lane.moved, lane.sources, row.hours)

    cdef inline void lose(
        self, int pool, double hours, double charged, double charged_carbon, double *out
    ) noexcept nogil:
        """Book a pool's loss, Wh and g: what went in, less what came out and what stayed. out: NULL, or the row."""
        cdef const Draw *draw = self.draws + pool
        cdef double loss = (
            charged - self.sides.pools[pool].discharge * hours - (self.stores[pool].energy - draw.before.energy)
        )
        cdef double carbon = (
            charged_carbon - draw.drawn.parcel.carbon * hours - (self.stores[pool].carbon - draw.before.carbon)
        )
        if loss != 0:
            add(self.totals, SUM_LOSS, loss)
        if carbon != 0:
            add(self.totals, SUM_LOSS_CARBON, carbon)
        if out != NULL:
            out[LOSS_ENERGY] += loss
            out[LOSS_EMISSION] += carbon

    cdef inline void show_stock(self, double *out) noexcept nogil:
        cdef int i
        out[STOCK_ENERGY] = self.stores.energy
        out[STOCK_EMISSION] = self.stores.carbon
        for i in range(1, self.pools):
            out[STOCK_ENERGY] += self.stores[i].energy
            out[STOCK_EMISSION] += self.stores[i].carbon

    cdef inline bint join_open(self) noexcept nogil:
        """Write late and open energy of each busbar to its lane. Return whether its load then is possible."""
        cdef Lane *lane
        cdef const OpenBusbar *open
        cdef Parcel drawn
        cdef double inflow
        cdef bint sound = True
        cdef int i, k
        for i in range(self.busbars):
            self.lanes[i].charged = 0
        for i in range(self.pools):
            self.lanes[self.sides.pools[i].busbar].charged += self.sides.pools[i].charge + self.open_charges[i].energy
        for i in range(self.busbars):
            lane, open = self.lanes + i, self.open_sides + i
            drawn = self.drawn_on(i)
            self.sources_of(&lane.row, &lane.moved, &drawn, lane.late)
            inflow = 0
            for k in range(SOURCE_COUNT):
                lane.sources[k] = Parcel(
                    lane.late[k].power + open.sources[4 * k], lane.late[k].carbon + open.sources[4 * k + 1],
                    lane.late[k].clean + open.sources[4 * k + 2], lane.late[k].own + open.sources[4 * k + 3],
                )
                inflow += lane.sources[k].power
            lane.surplus = inflow - (lane.charged + (lane.moved.exported + open.exported))
            lane.load = lane.surplus + open.terminal
            inflow += max(open.terminal, 0.0)
            sound = sound and lane.load >= -NOISE * inflow
            if fabs(lane.load) <= ROUNDING * inflow:
                lane.load = 0.0
        return sound

    cdef inline double recharge(self, int pool, const Lane *lane) noexcept nogil:
        """Store a late charge, and change what the open charge carried. Return the g that the store takes."""
        cdef const OpenCharge *open = self.open_charges + pool
        cdef double late = self.sides.pools[pool].charge
        cdef double charged = late + open.energy
        cdef Parcel arrival = part_for(&lane.shares.charge, charged, lane.charged)
        cdef double change
        self.stores[pool].energy += late * self.charging(pool)
        change = revise_charge(
            self.stores + pool, arrival.carbon - open.carbon, arrival.clean - open.clean, arrival.own - open.own,
            self.charging(pool),
        )
        if charged > 0:
            self.stores[pool].dearest = max(self.stores[pool].dearest, arrival.carbon / charged)
            note_intensity(self.trips + pool, arrival.carbon / charged)
        return change

    cdef void settle_row(self, const double *given) noexcept nogil:
        """Book a row of late energy; as in the stub."""
        cdef Row row = self.read(given)
        cdef Flows moved
        cdef Lane *lane
        cdef double gained[SUM_CORE]
        cdef bint sound
        cdef int i
        if not 0 <= given[1] <= MOST_INTENSITY:
            return
        row.hours = row.per_hour = 1.0  # so that powers and rates are Wh and g
        row.energies = given + self.columns[ENERGY]
        for i in range(self.busbars):
            lane = self.lanes + i
            lane.moved = flows(self.sides + i, &row, &lane.seen)
            lane.seen = told(self.sides + i, row.powers)
            lane.moved.unnamed = unnamed(self.sides + i, &self.terminals, row.powers)
            judge(self.sides + i, &lane.seen, &lane.moved)
            lane.row = row
            self.net_late(i)
        moved = joined_flows(self.lanes, self.busbars)
        if self.busbars == 1:
            row = self.lanes.row
        for i in range(self.pools):
            self.draw_late(i, &self.lanes[self.sides.pools[i].busbar].row)
        sound = self.join_open()
        for i in range(self.pools):
            if self.draws[i].drawn.opening > 0:
                add(self.totals, SUM_OPENING, self.draws[i].drawn.opening_carbon)
            self.draws[i].before = self.stores[i]
            discharge(self.stores + i, self.trips + i, self.draws[i].drawn.energy)
        for i in range(SUM_CORE):
            gained[i] = 0
        if moved.whole and sound:
            for i in range(self.busbars):
                if self.open.contained > 0:
                    self.settle_unpriced(i, gained)
                else:
                    self.settle_busbar(i, gained)
            if self.busbars > 1:
                release(self.totals, self.held, not self.open.contained > 0, gained)
            settle(self.totals, self.open, &row, &moved, gained)
            self.forget_open()
        else:
            for i in range(self.busbars):
                self.leave_open(i, gained)
            book_unsettled(self.totals, self.open, &row, &moved, gained)
            if moved.whole:
                self.forget_open()
        self.rest_late()

    cdef inline void net_late(self, int busbar) noexcept nogil:
        """Net the late energy of a busbar's incomers, and lower the price of a late export to the booked price.

        The price is too high if the export takes off more import carbon than was booked.
        """
        cdef Lane *lane = self.lanes + busbar
        cdef const double *booked = self.open_sides[busbar].sources + 4 * (SOURCE_COUNT - 1)
        lane.netted = exchanged(self.open_sides + busbar, &lane.moved)
        lane.moved.imported -= lane.netted
        lane.moved.exported -= lane.netted
        if not (lane.moved.imported < 0 and booked[0] > 0):
            return
        if booked[1] + lane.moved.imported * lane.row.grid < 0:
            lane.row.grid = booked[1] / booked[0]
        if booked[2] + lane.moved.imported * lane.row.grid_clean < 0:
            lane.row.grid_clean = booked[2] / booked[0]

    cdef inline void draw_late(self, int pool, const Row *row) noexcept nogil:
        """Find what a pool delivers of late energy."""
        cdef const BatteryGroup *moved = self.sides.pools + pool
        note_flows(self.trips + pool, moved.charge, moved.discharge)
        self.draws[pool].drawn = delivery(
            self.stores + pool, self.trips + pool, moved.discharge, 1.0, self.discharging(pool), row.official,
            row.grid_clean,
        )

    cdef inline void settle_busbar(self, int busbar, double *gained) noexcept nogil:
        """Gain the late energy of a busbar, and the load of its time without one."""
        cdef Lane *lane = self.lanes + busbar
        cdef double change = 0
        cdef double taken
        cdef int i
        lane.shares = self.share_out(
            lane.sources, max(lane.load, 0.0), lane.charged, lane.moved.exported + self.open_sides[busbar].exported
        )
        for i in range(self.pools):
            if self.sides.pools[i].busbar == busbar:
                taken = self.recharge(i, lane)
                self.draws[i].taken = taken
                change += taken
        gain_settled(
            self.open_sides + busbar, &self.tariff, &lane.row, &lane.moved, lane.late, lane.sources, &lane.shares,
            change, lane.load, gained,
        )
        if self.sides[busbar].grouped:
            book_settled_groups(
                self.totals, self.quarters + busbar, self.open_sides + busbar, &lane.moved, &lane.shares, lane.load
            )

    cdef inline void settle_unpriced(self, int busbar, double *gained) noexcept nogil:
        """Gain the late energy of a busbar, and the load of a time in which the mix of the site was unknown."""
        cdef Lane *lane = self.lanes + busbar
        lane.shares = share_known(
            lane.late, lane.moved.charge, lane.moved.exported, lane.row.grid, lane.row.grid_clean
        )
        self.charge_late(busbar, False)
        gain_unpriced(
            &self.tariff, &lane.row, &lane.moved, lane.late, &lane.shares, lane.surplus, lane.load, gained
        )
        if self.sides[busbar].grouped:
            book_unpriced_groups(
                self.totals, self.quarters + busbar, self.open_sides + busbar, &lane.moved, lane.load
            )

    cdef inline void charge_late(self, int busbar, bint kept) noexcept nogil:
        """Store the late charge of a busbar with its present share. kept: remember the charge for `settle`."""
        cdef const Lane *lane = self.lanes + busbar
        cdef Parcel arrival
        cdef double power
        cdef int i
        for i in range(self.pools):
            if self.sides.pools[i].busbar == busbar:
                power = self.sides.pools[i].charge
                arrival = part_for(&lane.shares.charge, power, lane.moved.charge)
                if kept:
                    keep_charge(self.open_charges + i, &arrival, 1.0)
                charge(self.stores + i, self.trips + i, &arrival, power, 1.0, self.charging(i))
                self.draws[i].taken = arrival.carbon

    cdef inline void leave_open(self, int busbar, double *gained) noexcept nogil:
        """Gain the late energy of a busbar, and keep it for the time when the load of the site is known."""
        cdef Lane *lane = self.lanes + busbar
        cdef const Row *row = &lane.row
        cdef double imported = lane.moved.imported + lane.netted
        memcpy(lane.sources, lane.late, sizeof(lane.late))
        lane.sources[3] = Parcel(imported, imported * row.grid, imported * row.grid_clean, 0)
        lane.shares = share_known(
            lane.sources, lane.moved.charge, lane.moved.exported + lane.netted, row.grid, row.grid_clean
        )
        gain(&self.tariff, row, &lane.moved, &lane.shares, lane.late, False, gained)
        if self.sides[busbar].grouped:
            book_waiting_groups(
                self.totals, self.quarters + busbar, max(row.seconds - self.open.signal, 0.0), &lane.moved
            )
        keep_busbar(self.open_sides + busbar, &lane.moved, lane.late, 1.0)
        if lane.moved.known[FLOW_IMPORT]:
            self.open_sides[busbar].partial_import = self.open_sides[busbar].partial_export = 0
        self.charge_late(busbar, True)

    cdef inline void rest_late(self) noexcept nogil:
        """Book the losses of late energy."""
        cdef double lost
        cdef int i
        for i in range(self.pools):
            lost = rest(self.stores + i, self.batteries + i, 0.0)
            if lost > 0:
                add(self.totals, SUM_LOST, lost)
            self.lose(i, 1.0, self.sides.pools[i].charge, self.draws[i].taken, NULL)

    cdef inline void forget_open(self) noexcept nogil:
        memset(self.open, 0, <char *> self.totals - <char *> self.open)

    cdef inline void sums(self, int index, double *sums) noexcept nogil:
        cdef int i
        for i in range(SUM_COUNT):
            sums[i] = since(self.totals, self.starts + index, i)
        withhold(&self.waiting, index, sums)

    cdef inline double least_load(self, double seconds) noexcept nogil:
        """Return the least load of a window with an intensity, Wh (METHOD 4.5, E_min)."""
        return max(LEAST_SHARE * self.rated_power * seconds / SECONDS_PER_HOUR, LEAST_STEPS * self.register_step)

    cdef inline void fill(self, const double *sums, double seconds, double *out) noexcept nogil:
        """Write OUTPUTS of a window; the stock is the present stock."""
        fill_outputs(sums, seconds, self.least_load(seconds), self.columns[BURNT] >= 0, out)
        if sums[SUM_SIGNAL_TIME] > 0:
            self.show_stock(out)

    cdef inline void restart(self, int index) noexcept nogil:
        memcpy(self.starts + index, self.totals, sizeof(Sums))
        begin(&self.waiting, index, self.starts + index)

    cdef void close(self, Py_ssize_t place, int index, double seconds, double *out) noexcept nogil:
        """Write a row of CLOSED at a window's end."""
        cdef double sums[SUM_COUNT]
        self.sums(index, sums)
        out[0] = place
        out[1] = index
        self.fill(sums, seconds, out + 2)
        fill_details(sums, out + 2 + OUTPUT_COUNT)
        self.restart(index)

    cdef void rows(self, const double *given, Py_ssize_t count, double *out, double *closed) noexcept nogil:
        cdef Py_ssize_t i
        cdef const double *ends
        cdef int index
        for i in range(count):
            self.row(given + i * self.width, out + i * OUTPUT_COUNT)
            if self.columns[ENDS] < 0:
                continue
            ends = given + i * self.width + self.columns[ENDS]
            for index in range(self.windows):
                if 0 < ends[index] < INFINITY:
                    self.close(i, index, ends[index], closed)
                    closed += CLOSED_COUNT

    cdef Py_ssize_t closing(self, const double *given, Py_ssize_t count) noexcept nogil:
        """Return the number of windows that end in these rows."""
        cdef Py_ssize_t i, result = 0
        cdef int index
        for i in range(count):
            for index in range(self.windows):
                result += 0 < given[i * self.width + self.columns[ENDS] + index] < INFINITY
        return result

    def step(self, bytes block not None):
        cdef Py_ssize_t size = self.width * <Py_ssize_t> sizeof(double)
        cdef Py_ssize_t count = PyBytes_GET_SIZE(block) // size
        cdef const double *given = <const double *> PyBytes_AS_STRING(block)
        cdef double *out
        cdef double *closed
        cdef bytes result
        cdef bytes ended = b""
        if PyBytes_GET_SIZE(block) != count * size:
            raise ValueError(f"block: {len(block)} bytes, expected rows of {size}")
        result = PyBytes_FromStringAndSize(NULL, count * OUTPUT_COUNT * <Py_ssize_t> sizeof(double))
        if self.columns[ENDS] >= 0:
            ended = PyBytes_FromStringAndSize(
                NULL, self.closing(given, count) * CLOSED_COUNT * <Py_ssize_t> sizeof(double)
            )
        out = <double *> PyBytes_AS_STRING(result)
        closed = <double *> PyBytes_AS_STRING(ended)
        if count < LONG:
            self.rows(given, count, out, closed)
        else:
            with nogil:
                self.rows(given, count, out, closed)
        self.ended = ended
        return result

    def late(self, bytes row not None):
        cdef Py_ssize_t size = self.width * <Py_ssize_t> sizeof(double)
        cdef Py_ssize_t powers = self.channels * <Py_ssize_t> sizeof(double)
        cdef bytes before
        cdef int i
        if PyBytes_GET_SIZE(row) != size:
            raise ValueError(f"row: {len(row)} bytes, expected {size}")
        if self.columns[ENERGY] < 0:
            raise ValueError("columns: no energy, expected energy for late energy")
        # the powers of the last instant belong to the next interval
        before = PyBytes_FromStringAndSize(<char *> self.sides.before, powers)
        for i in range(self.channels):
            self.sides.before[i] = NAN
        self.settle_row(<const double *> PyBytes_AS_STRING(row))
        memcpy(self.sides.before, PyBytes_AS_STRING(before), powers)

    def abandon(self):
        memset(self.quarters, 0, self.busbars * sizeof(Quarter))
        self.forget_open()

    def closed(self):
        return self.ended

    cdef int inside(self, int index) except -1:
        if not 0 <= index < self.windows:
            raise IndexError(f"window {index}, expected 0 to {self.windows - 1}")
        return 0

    def window(self, int index, double seconds):
        cdef double sums[SUM_COUNT]
        cdef bytes row = PyBytes_FromStringAndSize(NULL, OUTPUT_COUNT * <Py_ssize_t> sizeof(double))
        self.inside(index)
        if not 0 < seconds < INFINITY:
            raise ValueError(f"window of {seconds} s, expected more than 0")
        self.sums(index, sums)
        self.fill(sums, seconds, <double *> PyBytes_AS_STRING(row))
        return row

    def details(self, int index):
        cdef double sums[SUM_COUNT]
        cdef bytes row = PyBytes_FromStringAndSize(NULL, DETAIL_COUNT * <Py_ssize_t> sizeof(double))
        self.inside(index)
        self.sums(index, sums)
        fill_details(sums, <double *> PyBytes_AS_STRING(row))
        return row

    def reset(self, int index):
        self.inside(index)
        self.restart(index)

    cdef int pool_of(self, int pool) except -1:
        if not 0 <= pool < self.pools:
            raise IndexError(f"pool {pool}, expected 0 to {self.pools - 1}")
        return pool

    def stock(self):
        cdef double numbers[OUTPUT_COUNT]
        self.show_stock(numbers)
        return numbers[STOCK_ENERGY], numbers[STOCK_EMISSION]

    def stocks(self):
        return [(self.stores[i].energy, self.stores[i].carbon) for i in range(self.pools)]

    def concentrated(self):
        return any(
            self.stores[i].carbon > 2 * self.stores[i].dearest * self.stores[i].energy for i in range(self.pools)
        )

    def out_of_range(self, int pool=0):
        self.pool_of(pool)
        return bool(out_of_range(self.stores + pool, self.trips + pool, self.discharging(pool)))

    def round_trip(self, int pool=0):
        self.pool_of(pool)
        return self.charging(pool) * self.discharging(pool), learned_trip(self.trips + pool, self.batteries + pool)

    def ledger(self):
        cdef const double *sums = self.totals.high
        return (
            sums[SUM_IMPORT_CARBON] + sums[SUM_RENEWABLE_CARBON] + sums[SUM_SCOPE1],
            sums[SUM_EMISSION],
            sums[SUM_EXPORT_CARBON],
            sums[SUM_LOST],
            sums[SUM_OPENING],
            sums[SUM_UNACCOUNTED_CARBON],
        )

    def state(self):
        return PyBytes_FromStringAndSize(self.block, self.block_size)

    cdef int channels_of(self, int version) noexcept:
        """Return the number of channels in a state of a version."""
        return self.channels if version == VERSION else self.channels - self.terminals.count

    cdef Py_ssize_t size_of(self, int version) noexcept:
        """Return the size of a state of a known version, bytes."""
        cdef Py_ssize_t size = OLD_HEADER + sizeof(Stock) + self.channels_of(version) * <Py_ssize_t> sizeof(double)
        if version == VERSION:
            return self.block_size
        if version != VERSION_BALANCED:
            size += sizeof(OldOpen)
        if version == VERSION_ONE:
            size += sizeof(Trips)
        return size + (1 + self.windows) * 2 * sums_of(version) * <Py_ssize_t> sizeof(double)

    cdef double part_of_pool(self, int pool) noexcept:
        """Return a pool's part of the site's capacity; equal parts if a capacity is unknown."""
        cdef double total = 0
        cdef int i
        for i in range(self.pools):
            if not self.batteries[i].capacity > 0:
                return 1.0 / self.pools
            total += self.batteries[i].capacity
        return self.batteries[pool].capacity / total

    cdef void convert(self, const char *state, int version) noexcept:
        """Take a state of an older version: of one busbar, with one pool, which several pools share by capacity."""
        cdef const Stock *stock = <const Stock *> (state + OLD_HEADER)
        cdef const OldOpen *open = NULL
        cdef const Trips *trips = NULL
        cdef const double *old = <const double *> (stock + 1)
        cdef double part
        cdef int i
        memset(<char *> self.block + sizeof(Header), 0, self.block_size - sizeof(Header))
        if version != VERSION_BALANCED:
            open = <const OldOpen *> old
            old = <const double *> (open + 1)
            take_open_time(open, self.open, self.open_sides)
        if version == VERSION_ONE:
            trips = <const Trips *> old
            old = <const double *> (trips + 1)
        for i in range(self.pools):
            part = self.part_of_pool(i)
            self.stores[i] = part_of_stock(stock, part)
            if open != NULL:
                self.open_charges[i] = part_of_charge(open, part)
            if trips != NULL:
                self.trips[i] = part_of_trips(trips, self.pools == 1)
        for i in range(1 + self.windows):
            if version == VERSION_ONE:
                take_one(old, self.totals + i)
            elif version == VERSION_OPEN:
                take_open(old, self.totals + i)
            else:
                take_balanced(old, self.sides, self.totals + i)
            old += 2 * sums_of(version)
        for i in range(self.channels):
            self.sides.before[i] = NAN
            if self.terminals.members[i].terminal != i:
                self.sides.before[i] = old[0]
                old += 1

    cdef bint is_unknown(self, int version, Py_ssize_t head, Py_ssize_t index, double number):
        """Return whether a number of a state is a sum that may be unknown: of the market-based ledger."""
        cdef Py_ssize_t place = head // <Py_ssize_t> sizeof(double) + index
        place -= (<char *> self.totals - self.block) // <Py_ssize_t> sizeof(double)
        return version == VERSION and isnan(number) and place >= 0 and place % SUM_COUNT == SUM_SCOPE2_MARKET

    def restore(self, bytes state not None):
        cdef Header *header = <Header *> PyBytes_AS_STRING(state)
        cdef const double *numbers
        cdef Py_ssize_t i, size, head, stock
        if PyBytes_GET_SIZE(state) < <Py_ssize_t> sizeof(Header) or header.magic != MAGIC:
            raise ValueError("state: not one of these accounts")
        if sums_of(header.version) == 0:
            raise ValueError(f"state: version {header.version}, expected {VERSION}")
        if header.channels != <uint32_t> self.channels_of(header.version):
            raise ValueError("state: made by other channels")
        if header.version == VERSION:
            if header.roles != self.header.roles:
                raise ValueError("state: made by other channels")
            if header.busbars != self.header.busbars or header.pools != self.header.pools:
                raise ValueError(
                    f"state: made with {header.busbars} busbars and {header.pools} pools, expected {self.busbars} and "
                    f"{self.pools}"
                )
        elif header.roles != self.roles or self.busbars > 1:
            raise ValueError("state: made by other channels")
        size = self.size_of(header.version)
        if header.windows != self.header.windows or PyBytes_GET_SIZE(state) != size:
            raise ValueError(f"state: made with {header.windows} windows, expected {self.windows}")
        head = <Py_ssize_t> sizeof(Header) if header.version == VERSION else OLD_HEADER
        stock = (self.pools if header.version == VERSION else 1) * sizeof(Stock) // <Py_ssize_t> sizeof(double)
        numbers = <const double *> (PyBytes_AS_STRING(state) + head)
        size = (size - head) // <Py_ssize_t> sizeof(double) - self.channels_of(header.version)
        for i in range(size):
            if (not isfinite(numbers[i]) and not self.is_unknown(header.version, head, i, numbers[i])) or (
                i < stock and numbers[i] < 0
            ):
                raise ValueError("state: damaged")
        memset(self.waiting.now, 0, sizeof(self.waiting.now))
        memset(self.waiting.before, 0, AMOUNT_COUNT * self.windows * sizeof(double))
        memset(self.waiting.lasted, 0, self.windows * sizeof(double))
        if header.version != VERSION:
            self.convert(PyBytes_AS_STRING(state), header.version)
        else:
            memcpy(self.block, PyBytes_AS_STRING(state), self.block_size)
