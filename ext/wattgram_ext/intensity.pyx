# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: autotestdict=False, auto_pickle=False
"""Carbon accounts from powers. Section numbers refer to METHOD, the emission method of this project.

a. Internal units are W, Wh, g and g/Wh; only inputs and outputs use g/kWh.
b. Incoming energy has three attributes per Wh: carbon, clean share, and share of the site's own renewable
   production. The allocation rules (`sharing`) and the battery (`pool`) move all three in the same way, so each
   output is a sum over the energy that arrived at a target.
c. Each row passes five functions: read, balance, allocate, book, store. Without a load, the present channels are
   booked all the same: their surplus is unaccounted, until `late` settles the time (METHOD-SITE 9, 12).
d. The state for a restart is a single block of memory, which `state` and `restore` copy.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.math cimport INFINITY, NAN, fabs, isfinite, isnan, log1p
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy, memset

from .booking cimport Open, Tariff, book, book_unsettled, exchanged, settle, settle_unpriced
from .channels cimport (
    BATTERY, CHP, GRID, KIND_COUNT, METERS, NOISE, PV, ROUNDING, TERMINAL, Channels, Flows, Row, Seen, balance, count,
    flows, judge, told,
)
from .old_state cimport (
    OPEN_SPLIT, VERSION, VERSION_BALANCED, VERSION_OPEN, VERSION_SPLIT, sums_of, take_balanced, take_open, take_split,
)
from .pool cimport (
    Battery, Delivery, Stock, Trips, charge, correct, delivered_intensity, delivery, discharge, learned_trip, leg,
    note_flows, note_intensity, open_stock, out_of_range, rest, revise_charge,
)
from .sharing cimport SOURCE_COUNT, Parcel, Shares, share_known, share_locally, share_proportionally
from .terminals cimport Contained, Member, Terminals, hide, remember
from .units cimport (
    G_PER_KG, LEAST_SECONDS, MOST_INTENSITY, MOST_POWER, MOST_RATE, MOST_SECONDS, SECONDS_PER_HOUR, WH_PER_KWH,
)
from .windows cimport *

ROLES = ("grid", "pv", "wind", "hydro", "genset", "chp", "battery", "load", "ev")
TERMINAL_ROLE = "terminal"
GROUPS = ("industry", "power", "building", "transport")
COLUMNS = (
    "energy", "carbon", "soc", "certificates", "captured", "official", "burnt", "biogenic", "heat", "ends",
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
    ENERGY, CARBON, SOC, CERTIFICATES, CAPTURED_MASS, OFFICIAL, BURNT, BIOGENIC, HEAT, ENDS
    COLUMN_COUNT


cdef enum:
    HEAD = 3             # of an input row: seconds, grid g/kWh, grid clean share
    CLOSED_COUNT = 2 + OUTPUT_COUNT + DETAIL_COUNT
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
    uint32_t roles       # FNV-1a over the channels' roles


cdef object checked(str name, double value, double least, double most):
    if not least <= value <= most:
        raise ValueError(f"{name}: {value}, expected {least:g} to {most:g}")
    return None


@cython.final
cdef class Accounts:
    cdef Channels channels
    cdef Terminals terminals
    cdef Tariff tariff
    cdef Battery battery
    cdef uint32_t older_roles      # the header's, of a version before terminals
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
    cdef Stock *store
    cdef Trips *trips
    cdef Open *open
    cdef Sums *totals
    cdef Sums *starts              # totals at each window's start

    def __cinit__(
        self,
        roles,
        factors,
        *,
        str method not None="proportional",
        double residual_factor=609.6,
        double charge_efficiency=0.95,
        double discharge_efficiency=0.95,
        int windows=0,
        columns=(),
        groups=None,
        terminals=None,
        double rated_power=0.0,
        double register_step=0.0,
        double official_factor=NAN,
        double certificate_factor=0.0,
        int hour=-1,
        double capacity=0.0,
        double soc_time=3600.0,
        double self_discharge=0.0,
        bint learning=False,
    ):
        roles, factors = list(roles), list(factors)
        if method not in ("proportional", "local-first"):
            raise ValueError(f"method: {method!r}, expected proportional or local-first")
        checked("residual_factor", residual_factor, 0, MOST_INTENSITY)
        # no battery has an efficiency of a thousandth; the bound keeps the mix of a discharge finite
        checked("charge_efficiency", charge_efficiency, 0.001, 1)
        checked("discharge_efficiency", discharge_efficiency, 0.001, 1)
        checked("windows", windows, 0, 1000)
        checked("rated_power", rated_power, 0, MOST_POWER)
        checked("register_step", register_step, 0, MOST_POWER)
        if not isnan(official_factor):
            checked("official_factor", official_factor, 0, MOST_INTENSITY)
        checked("certificate_factor", certificate_factor, 0, MOST_INTENSITY)
        checked("hour", hour, -1, windows - 1)
        checked("capacity", capacity, 0, MOST_POWER)
        checked("soc_time", soc_time, 1e-3, MOST_SECONDS)
        checked("self_discharge", self_discharge, 0, 0.999)
        self.channels.count = len(roles)
        self.windows = windows
        self.hour = hour
        self.local_first = method == "local-first"
        self.tariff.residual = residual_factor / WH_PER_KWH
        self.tariff.official = official_factor / WH_PER_KWH
        self.tariff.certificate = certificate_factor / WH_PER_KWH
        self.rated_power = rated_power
        self.register_step = register_step
        self.battery = Battery(
            learning, charge_efficiency, discharge_efficiency, capacity, soc_time, log1p(-self_discharge)
        )
        self.ended = b""
        # one element more than needed: calloc(0) may return NULL
        self.channels.order = <int *> calloc(self.channels.count + 1, sizeof(int))
        self.channels.factor = <double *> calloc(self.channels.count + 1, sizeof(double))
        self.terminals.members = <Member *> calloc(self.channels.count + 1, sizeof(Member))
        self.terminals.powers = <double *> calloc(self.channels.count + 1, sizeof(double))
        self.terminals.energies = <double *> calloc(2 * self.channels.count + 1, sizeof(double))
        self.block_size = (
            sizeof(Header) + sizeof(Stock) + sizeof(Open) + sizeof(Trips) + (1 + windows) * sizeof(Sums)
            + self.channels.count * sizeof(double)
        )
        self.block = <char *> calloc(1, self.block_size)
        if self.channels.order == NULL or self.channels.factor == NULL or self.block == NULL:
            raise MemoryError
        if self.terminals.members == NULL or self.terminals.powers == NULL or self.terminals.energies == NULL:
            raise MemoryError
        self.header = <Header *> self.block
        self.store = <Stock *> (self.header + 1)
        self.open = <Open *> (self.store + 1)
        self.trips = <Trips *> (self.open + 1)
        self.totals = <Sums *> (self.trips + 1)
        self.starts = self.totals + 1
        self.channels.before = <double *> (self.starts + windows)
        self.header[0] = Header(MAGIC, VERSION, self.channels.count, windows, 2166136261)
        self.older_roles = 2166136261
        self.set_channels(roles, factors, groups)
        self.set_terminals(roles, [-1] * len(roles) if terminals is None else list(terminals))
        self.set_columns(columns)

    def __init__(self, *_, **__):
        """Do nothing: `__cinit__` has initialised all. The method gives the class the stub's signature."""

    def __dealloc__(self):
        free(self.channels.order)
        free(self.channels.factor)
        free(self.terminals.members)
        free(self.terminals.powers)
        free(self.terminals.energies)
        free(self.block)

    cdef int set_channels(self, list roles, list factors, groups) except -1:
        cdef int i, kind, place = 0
        names = ["transport" if role == "ev" else "" for role in roles] if groups is None else list(groups)
        for name, values in (("factors", factors), ("groups", names)):
            if len(values) != len(roles):
                raise ValueError(f"{name}: {len(values)}, expected one a channel: {len(roles)}")
        kinds = []
        for i in range(self.channels.count):
            if roles[i] not in (*ROLES, TERMINAL_ROLE):
                raise ValueError(f"channel {i}: role {roles[i]!r}, expected one of {' '.join(ROLES)}")
            if names[i] and names[i] not in GROUPS:
                raise ValueError(f"channel {i}: group {names[i]!r}, expected one of {' '.join(GROUPS)}")
            kind = (*ROLES, TERMINAL_ROLE).index(roles[i])
            self.header.roles = (self.header.roles ^ <uint32_t> kind) * <uint32_t> 16777619
            if roles[i] != TERMINAL_ROLE:
                self.older_roles = (self.older_roles ^ <uint32_t> kind) * <uint32_t> 16777619
            if PV <= kind <= CHP:
                if not 0 <= factors[i] <= MOST_INTENSITY:
                    raise ValueError(f"channel {i}: factor {factors[i]}, expected 0 to {MOST_INTENSITY} g/kWh")
                self.channels.factor[i] = factors[i] / WH_PER_KWH
            elif roles[i] == TERMINAL_ROLE:
                kind = TERMINAL
            elif kind >= METERS:
                kind = METERS + (GROUPS.index(names[i]) if names[i] else GROUP_COUNT)
                self.channels.grouped = self.channels.grouped or kind < METERS + GROUP_COUNT
            kinds.append(kind)
            self.channels.before[i] = NAN
        for kind in range(KIND_COUNT):
            self.channels.firsts[kind] = place
            for i in range(self.channels.count):
                if kinds[i] == kind:
                    self.channels.order[place] = i
                    place += 1
        self.channels.firsts[KIND_COUNT] = place
        return 0

    cdef int set_terminals(self, list roles, list terminals) except -1:
        cdef int i
        if len(terminals) != len(roles):
            raise ValueError(f"terminals: {len(terminals)}, expected one a channel: {len(roles)}")
        for i in range(self.channels.count):
            if roles[i] == TERMINAL_ROLE:
                self.terminals.count += 1
                self.terminals.members[i] = Member(i, False, False)
                continue
            if terminals[i] != -1 and (
                roles[i] not in ("pv", "battery")
                or not 0 <= terminals[i] < self.channels.count
                or roles[terminals[i]] != TERMINAL_ROLE
            ):
                raise ValueError(f"channel {i}: terminal {terminals[i]}, expected a terminal of pv or battery, or -1")
            self.terminals.members[i] = Member(terminals[i], roles[i] == "pv", False)
        return 0

    cdef int set_columns(self, columns) except -1:
        cdef int column
        sizes = (2 * self.channels.count, self.channels.count, 1, 1, 1, 1, 1, 1, 1, self.windows)
        self.width = HEAD + self.channels.count
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
        if self.columns[SOC] >= 0 and not self.battery.capacity > 0:
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
        row.soc = self.column(given, SOC)
        row.official = self.column(given, OFFICIAL) / WH_PER_KWH
        if not 0 <= row.official <= MOST_INTENSITY / WH_PER_KWH:
            row.official = row.grid if isnan(self.tariff.official) else self.tariff.official
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

    cdef inline double charging(self) noexcept nogil:
        """Return the efficiency of a charge."""
        return leg(self.trips, &self.battery, self.battery.charge)

    cdef inline double discharging(self) noexcept nogil:
        """Return the efficiency of a discharge."""
        return leg(self.trips, &self.battery, self.battery.discharge)

    cdef inline void move(
        self, const Row *row, const Flows *flows, const Shares *shares, const Delivery *drawn
    ) noexcept nogil:
        cdef double lost = 0
        if row.seconds > 0:
            discharge(self.store, self.trips, drawn.energy)
            charge(self.store, self.trips, &shares.charge, flows.charge, row.hours, self.charging())
            lost = rest(self.store, &self.battery, row.hours)
        if 0 <= row.soc <= 1:
            if not self.store.opened > 0:
                add(
                    self.totals, SUM_OPENING,
                    open_stock(self.store, &self.battery, row.soc, row.grid, row.grid_clean) * row.grid,
                )
            elif row.seconds > 0:
                lost += correct(self.store, &self.battery, row.soc, row.seconds)
        if lost > 0:
            add(self.totals, SUM_LOST, lost)

    # rows and windows

    cdef inline void count(self, double amount, int i) noexcept nogil:
        """Add a known amount to a sum that has a count of its own, with or without a balance."""
        if 0 <= amount <= MOST_RATE:
            add(self.totals, i, amount)
            add(self.totals, i + 1, 1)

    cdef void row(self, const double *given, double *out) noexcept nogil:
        """Compute an output row from an input row; both as in the stub."""
        cdef Row row = self.read(given)
        cdef Seen seen
        cdef const double *powers = row.powers
        cdef Contained contained = Contained(0, 0)
        cdef Flows moved
        cdef Shares shares
        cdef Delivery drawn
        cdef Stock before
        cdef Parcel sources[SOURCE_COUNT]
        cdef double captured = self.column(given, CAPTURED_MASS)
        cdef double burnt = self.column(given, BURNT)
        cdef const Sums *hour = self.starts + self.hour if self.columns[CERTIFICATES] >= 0 else NULL
        cdef bint priced
        cdef int i
        if self.terminals.count:
            contained = hide(&self.channels, &self.terminals, &row)
        moved = flows(&self.channels, &row, &seen)
        if contained.channels:
            remember(&self.channels, &self.terminals, powers)
            moved.terminal = contained.power
            moved.hidden = contained.channels
        for i in range(OUTPUT_COUNT):
            out[i] = NAN
        out[COVERAGE] = 0
        if row.seconds > 0 and 0 <= captured <= MOST_POWER:
            out[CAPTURED] = captured * G_PER_KG
            add(self.totals, SUM_CAPTURED, out[CAPTURED])
            add(self.totals, SUM_CAPTURED_TIME, row.seconds)
        if not 0 <= burnt <= MOST_RATE:
            burnt = NAN
        self.count(burnt, SUM_BURNT)
        self.count(self.column(given, BIOGENIC), SUM_BIOGENIC)
        self.count(self.column(given, HEAT), SUM_HEAT)
        if not 0 <= given[1] <= MOST_INTENSITY:
            return
        out[GRID_INTENSITY] = given[1]
        priced = balance(&self.channels, &row, &seen, &moved, out) and not moved.unpriced
        if not out[COVERAGE] > 0 and not moved.hidden:
            return
        if 0 <= row.soc <= 1:
            self.trips.reported = 1
        if row.seconds > 0:
            note_flows(self.trips, moved.charge * row.hours, moved.discharge * row.hours)
        drawn = delivery(
            self.store, self.trips, moved.discharge, row.hours, self.discharging(), row.grid, row.grid_clean
        )
        if moved.discharge > 0:
            out[BATTERY_INTENSITY] = drawn.parcel.carbon / moved.discharge * WH_PER_KWH
        elif self.store.energy > 0:
            out[BATTERY_INTENSITY] = delivered_intensity(self.store, self.discharging()) * WH_PER_KWH
        self.sources_of(&row, &moved, &drawn.parcel, sources)
        if priced:
            shares = self.share_out(sources, moved.load, moved.charge, moved.exported)
        else:
            shares = share_known(sources, moved.charge, moved.exported, row.grid, row.grid_clean)
        book(
            self.totals, NULL if moved.whole else self.open, hour, &self.tariff, self.channels.grouped, &row, &moved,
            &shares, sources, priced, out,
        )
        if self.columns[BURNT] >= 0:
            out[SCOPE1] += burnt
        if drawn.opening > 0 and row.seconds > 0:
            add(self.totals, SUM_OPENING, drawn.opening_carbon)
        before = self.store[0]
        self.move(&row, &moved, &shares, &drawn)
        self.lose(&before, moved.charge * row.hours, shares.charge.carbon * row.hours, &row, &moved, &drawn, out)
        if moved.hidden:  # what a battery does is unknown, and so is the stock at this instant
            out[BATTERY_INTENSITY] = out[LOSS_ENERGY] = out[LOSS_EMISSION] = NAN
            out[STOCK_ENERGY] = out[STOCK_EMISSION] = NAN

    cdef inline void lose(
        self,
        const Stock *before,
        double charged,
        double charged_carbon,
        const Row *row,
        const Flows *moved,
        const Delivery *drawn,
        double *out,
    ) noexcept nogil:
        """Book the store's loss, Wh and g: what went in, less what came out and what stayed. NULL: no row to write."""
        cdef double loss = charged - moved.discharge * row.hours - (self.store.energy - before.energy)
        cdef double carbon = (
            charged_carbon - drawn.parcel.carbon * row.hours - (self.store.carbon - before.carbon)
        )
        if loss != 0:
            add(self.totals, SUM_LOSS, loss)
        if carbon != 0:
            add(self.totals, SUM_LOSS_CARBON, carbon)
        if out != NULL:
            out[LOSS_ENERGY] = loss
            out[LOSS_EMISSION] = carbon
            self.show_stock(out)

    cdef inline void show_stock(self, double *out) noexcept nogil:
        out[STOCK_ENERGY] = self.store.energy
        out[STOCK_EMISSION] = self.store.carbon

    cdef inline void price_netted(self, Row *row, const Flows *late) noexcept nogil:
        """Lower the price of a late export that takes off more import carbon than was booked, to the booked price."""
        cdef const double *booked = self.open.sources + 4 * (SOURCE_COUNT - 1)
        if not (late.imported < 0 and booked[0] > 0):
            return
        if booked[1] + late.imported * row.grid < 0:
            row.grid = booked[1] / booked[0]
        if booked[2] + late.imported * row.grid_clean < 0:
            row.grid_clean = booked[2] / booked[0]

    cdef void settle_row(self, const double *given) noexcept nogil:
        """Book a row of late energy; as in the stub."""
        cdef Row row = self.read(given)
        cdef Seen seen
        cdef Flows moved
        cdef Shares shares
        cdef Delivery drawn
        cdef Stock before
        cdef Parcel late[SOURCE_COUNT]
        cdef Parcel sources[SOURCE_COUNT]
        cdef Parcel several[SOURCE_COUNT]
        cdef double charged, exported, load, inflow, change, lost, netted, surplus
        cdef int i
        if not 0 <= given[1] <= MOST_INTENSITY:
            return
        row.hours = row.per_hour = 1.0  # so that powers and rates are Wh and g
        row.energies = given + self.columns[ENERGY]
        moved = flows(&self.channels, &row, &seen)
        seen = told(&self.channels, row.powers)
        judge(&self.channels, &seen, &moved)
        netted = exchanged(self.open, &moved)
        moved.imported -= netted
        moved.exported -= netted
        self.price_netted(&row, &moved)
        note_flows(self.trips, moved.charge, moved.discharge)
        drawn = delivery(
            self.store, self.trips, moved.discharge, 1.0, self.discharging(), row.grid, row.grid_clean
        )
        self.sources_of(&row, &moved, &drawn.parcel, late)
        inflow = 0
        for i in range(SOURCE_COUNT):
            sources[i] = Parcel(
                late[i].power + self.open.sources[4 * i], late[i].carbon + self.open.sources[4 * i + 1],
                late[i].clean + self.open.sources[4 * i + 2], late[i].own + self.open.sources[4 * i + 3],
            )
            inflow += sources[i].power
        charged = moved.charge + self.open.energy[FLOW_CHARGE]
        exported = moved.exported + self.open.energy[FLOW_EXPORT]
        surplus = inflow - (charged + exported)
        load = surplus + self.open.terminal
        inflow += max(self.open.terminal, 0.0)
        if drawn.opening > 0:
            add(self.totals, SUM_OPENING, drawn.opening_carbon)
        before = self.store[0]
        discharge(self.store, self.trips, drawn.energy)
        if moved.whole and load >= -NOISE * inflow and self.open.contained > 0:
            shares = share_known(late, moved.charge, moved.exported, row.grid, row.grid_clean)
            change = shares.charge.carbon
            charge(self.store, self.trips, &shares.charge, moved.charge, 1.0, self.charging())
            settle_unpriced(
                self.totals, self.open, &self.tariff, self.channels.grouped, &row, &moved, &shares, late, surplus
            )
            memset(self.open, 0, sizeof(Open))
        elif moved.whole and load >= -NOISE * inflow:
            if fabs(load) <= ROUNDING * inflow:
                load = 0.0
            shares = self.share_out(sources, max(load, 0.0), charged, exported)
            self.store.energy += moved.charge * self.charging()
            change = revise_charge(
                self.store, shares.charge.carbon - self.open.charge_carbon,
                shares.charge.clean - self.open.charge_clean, shares.charge.own - self.open.charge_own,
                self.charging(),
            )
            if charged > 0:
                self.store.dearest = max(self.store.dearest, shares.charge.carbon / charged)
                note_intensity(self.trips, shares.charge.carbon / charged)
            settle(
                self.totals, self.open, &self.tariff, self.channels.grouped, &row, &moved, late, sources, &shares,
                change, load,
            )
            memset(self.open, 0, sizeof(Open))
        else:
            memcpy(several, late, sizeof(several))
            several[3] = Parcel(
                moved.imported + netted, (moved.imported + netted) * row.grid, (moved.imported + netted) * row.grid_clean, 0
            )
            shares = share_known(several, moved.charge, moved.exported + netted, row.grid, row.grid_clean)
            change = shares.charge.carbon
            book_unsettled(
                self.totals, self.open, &self.tariff, self.channels.grouped, &row, &moved, &shares, late
            )
            charge(self.store, self.trips, &shares.charge, moved.charge, 1.0, self.charging())
            if moved.whole:
                memset(self.open, 0, sizeof(Open))
        lost = rest(self.store, &self.battery, 0.0)
        if lost > 0:
            add(self.totals, SUM_LOST, lost)
        self.lose(&before, moved.charge, change, &row, &moved, &drawn, NULL)

    cdef inline void sums(self, int index, double *sums) noexcept nogil:
        cdef int i
        for i in range(SUM_COUNT):
            sums[i] = since(self.totals, self.starts + index, i)

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
        cdef Py_ssize_t powers = self.channels.count * <Py_ssize_t> sizeof(double)
        cdef bytes before
        cdef int i
        if PyBytes_GET_SIZE(row) != size:
            raise ValueError(f"row: {len(row)} bytes, expected {size}")
        if self.columns[ENERGY] < 0:
            raise ValueError("columns: no energy, expected energy for late energy")
        # the powers of the last instant belong to the next interval
        before = PyBytes_FromStringAndSize(<char *> self.channels.before, powers)
        for i in range(self.channels.count):
            self.channels.before[i] = NAN
        self.settle_row(<const double *> PyBytes_AS_STRING(row))
        memcpy(self.channels.before, PyBytes_AS_STRING(before), powers)

    def abandon(self):
        memset(self.open, 0, sizeof(Open))

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

    def stock(self):
        return self.store.energy, self.store.carbon

    def concentrated(self):
        return bool(self.store.carbon > 2 * self.store.dearest * self.store.energy)

    def out_of_range(self):
        return bool(out_of_range(self.store, self.trips, self.discharging()))

    def round_trip(self):
        return self.charging() * self.discharging(), learned_trip(self.trips, &self.battery)

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
        return self.channels.count if version == VERSION else self.channels.count - self.terminals.count

    cdef Py_ssize_t size_of(self, int version) noexcept:
        """Return the size of a state of a known version, bytes."""
        cdef Py_ssize_t size = sizeof(Header) + sizeof(Stock) + self.channels_of(version) * <Py_ssize_t> sizeof(double)
        if version == VERSION:
            size += sizeof(Open)
        elif version != VERSION_BALANCED:
            size += OPEN_SPLIT * <Py_ssize_t> sizeof(double)
        if version >= VERSION_SPLIT:
            size += sizeof(Trips)
        return size + (1 + self.windows) * 2 * sums_of(version) * <Py_ssize_t> sizeof(double)

    cdef void convert(self, const char *state, int version) noexcept:
        """Take a state of an older version."""
        cdef const char *place = state + sizeof(Header)
        cdef const double *old
        cdef int i
        memset(<char *> self.block + sizeof(Header), 0, self.block_size - sizeof(Header))
        memcpy(self.store, place, sizeof(Stock))
        place += sizeof(Stock)
        if version != VERSION_BALANCED:
            memcpy(self.open, place, OPEN_SPLIT * sizeof(double))
            place += OPEN_SPLIT * sizeof(double)
        if version == VERSION_SPLIT:
            memcpy(self.trips, place, sizeof(Trips))
            place += sizeof(Trips)
        old = <const double *> place
        for i in range(1 + self.windows):
            if version == VERSION_SPLIT:
                take_split(old, self.totals + i)
            elif version == VERSION_OPEN:
                take_open(old, self.totals + i)
            else:
                take_balanced(old, &self.channels, self.totals + i)
            old += 2 * sums_of(version)
        for i in range(self.channels.count):
            self.channels.before[i] = NAN
            if self.terminals.members[i].terminal != i:
                self.channels.before[i] = old[0]
                old += 1

    def restore(self, bytes state not None):
        cdef Header *header = <Header *> PyBytes_AS_STRING(state)
        cdef const double *numbers
        cdef Py_ssize_t i, size
        cdef Py_ssize_t stock = sizeof(Stock) // <Py_ssize_t> sizeof(double)
        if PyBytes_GET_SIZE(state) < <Py_ssize_t> sizeof(Header) or header.magic != MAGIC:
            raise ValueError("state: not one of these accounts")
        if sums_of(header.version) == 0:
            raise ValueError(f"state: version {header.version}, expected {VERSION}")
        roles = self.header.roles if header.version == VERSION else self.older_roles
        if header.channels != <uint32_t> self.channels_of(header.version) or header.roles != roles:
            raise ValueError("state: made by other channels")
        size = self.size_of(header.version)
        if header.windows != self.header.windows or PyBytes_GET_SIZE(state) != size:
            raise ValueError(f"state: made with {header.windows} windows, expected {self.windows}")
        numbers = <const double *> (header + 1)
        size = (size - <Py_ssize_t> sizeof(Header)) // <Py_ssize_t> sizeof(double) - self.channels_of(header.version)
        for i in range(size):
            if not isfinite(numbers[i]) or (i < stock and numbers[i] < 0):
                raise ValueError("state: damaged")
        if header.version != VERSION:
            self.convert(PyBytes_AS_STRING(state), header.version)
        else:
            memcpy(self.block, PyBytes_AS_STRING(state), self.block_size)
