# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: autotestdict=False, auto_pickle=False
"""Powers to carbon accounts. Section numbers are METHOD's, the emission method this project follows.

a. Inside, power is W, energy Wh, carbon g and an intensity g/Wh; g/kWh is spoken at the two ends only.
b. Energy that comes in carries three things per Wh: its carbon, its clean share and the share that is the
   site's own renewable production. Every rule of sharing (4.4) and the battery (4.6) moves these three
   alike, so each output is a sum over what arrived somewhere.
c. First the sums for one interval in plain inline functions, then the class that loops over rows.
d. Sums since the start are kept in double-double; a window is the difference to a snapshot, so windows cost
   nothing while they run. An interval without a balance moves nothing: no sum, no stock, no covered time.
e. All that a restart must keep is one block of memory, which `state` and `restore` copy.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.math cimport INFINITY, NAN, fabs, isfinite, isnan
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcpy

ROLES = ("grid", "pv", "wind", "hydro", "genset", "chp", "battery", "load", "ev")
OUTPUTS = (
    "load_power", "grid_import_power", "grid_export_power", "pv_power", "generation_power",
    "battery_discharge_power", "battery_charge_power", "residual_power",
    "load_energy", "grid_import_energy", "grid_export_energy", "pv_energy", "generation_energy",
    "battery_discharge_energy", "battery_charge_energy", "residual_energy",
    "emission_intensity", "grid_intensity", "battery_intensity", "emission_rate",
    "emission", "scope1", "scope2_location", "scope2_market", "avoided", "captured",
    "clean_share", "self_consumption", "self_sufficiency", "coverage",
)


cdef enum:               # roles, in the order of ROLES
    GRID, PV, WIND, HYDRO, GENSET, CHP, BATTERY, LOAD, EV


cdef enum:
    POWER_COUNT = 8      # load, import, export, pv, generation, discharge, charge, residual
    HEAD = 3             # of a row in: seconds, grid g/kWh, grid clean share
    VERSION = 1


cdef enum:               # places in a row out behind the powers and energies; as OUTPUTS
    EMISSION_INTENSITY = 16
    GRID_INTENSITY
    BATTERY_INTENSITY
    EMISSION_RATE
    EMISSION
    SCOPE1
    SCOPE2_LOCATION
    SCOPE2_MARKET
    AVOIDED
    CAPTURED
    CLEAN_SHARE
    SELF_CONSUMPTION
    SELF_SUFFICIENCY
    COVERAGE
    OUTPUT_COUNT


cdef enum:               # running sums; the first eight are the energies in the order of the powers
    SUM_LOAD
    SUM_IMPORT
    SUM_EXPORT
    SUM_PV
    SUM_GENERATION
    SUM_DISCHARGE
    SUM_CHARGE
    SUM_RESIDUAL
    SUM_EMISSION         # g that reached the load
    SUM_SCOPE1
    SUM_SCOPE2_LOCATION
    SUM_SCOPE2_MARKET
    SUM_AVOIDED
    SUM_CARBON_IN        # g
    SUM_CARBON_EXPORT
    SUM_CARBON_DISCHARGE
    SUM_OPENING
    SUM_CLEAN_LOAD       # Wh
    SUM_OWN_LOAD
    SUM_OWN_EXPORT
    SUM_OWN_PRODUCTION
    SUM_GRID             # g/kWh x s
    SUM_TIME             # s with a balance
    SUM_COVERED          # the same, weighted with the share of channels that were there
    SUM_RESIDUAL_TIME    # s with every sub-meter there
    SUM_COUNT


# METHOD 4.5: a balance load that is negative within this share of the inflow is meter noise.
cdef double NOISE = 0.02
# A load within this share of the inflow is what subtracting the channels' sums leaves over, not a load.
cdef double ROUNDING = 1e-9
# Beyond these a number is not a site's: they keep every product and sum finite.
cdef double MOST_POWER = 1e12       # W
cdef double MOST_INTENSITY = 1e6    # g/kWh
cdef double MOST_SECONDS = 1e9
cdef double SECONDS_PER_HOUR = 3600.0
cdef double WH_PER_KWH = 1000.0
cdef uint64_t MAGIC = 0x3147_4D41_5247_5457  # "WTGRAMG1", read in native order


cdef struct Mix:         # per Wh
    double carbon        # g
    double clean         # 0-1
    double own           # 0-1


cdef struct Source:
    double power         # W that are not yet given to anybody
    Mix mix


cdef struct Arrival:     # what reached one outflow, per hour
    double carbon        # g/h
    double clean         # W
    double own           # W


cdef struct Flows:       # one interval's powers, W, none negative but residual
    double load
    double imported
    double exported
    double pv
    double generation
    double discharge
    double charge
    double residual
    double renewable     # pv, wind, hydro
    double renewable_carbon  # g/h
    double fuel          # genset, chp
    double fuel_carbon   # g/h


cdef struct Seen:        # channels that were there
    int grid
    int pv
    int generation
    int battery
    int meters


cdef struct Stock:
    double energy        # Wh inside the store
    double carbon        # g
    double clean         # Wh
    double own           # Wh


cdef struct Efficiency:
    double charge
    double discharge


cdef struct Delivery:    # what a discharge takes from the store
    double energy        # Wh out of the known stock
    double opening       # Wh of a stock that nobody saw being charged
    Mix mix              # of the energy at the site's bus


cdef struct Total:       # a double-double
    double high
    double low


cdef struct Header:
    uint64_t magic
    uint32_t version
    uint32_t channels
    uint32_t windows
    uint32_t roles       # FNV-1a over the channels' roles


# One interval

cdef inline double interval_power(double before, double now) noexcept nogil:
    """Mean of the two ends, W, or the end that is there; NaN without any."""
    if isnan(before):
        return now
    if isnan(now):
        return before
    return 0.5 * (before + now)


cdef inline double share(double part, double whole) noexcept nogil:
    """part / whole within 0 to 1; NaN where whole is not positive."""
    if not whole > 0:
        return NAN
    return max(0.0, min(1.0, part / whole))


cdef inline double ratio(double part, double whole) noexcept nogil:
    """part / whole; NaN where whole is not positive."""
    return part / whole if whole > 0 else NAN


cdef inline Source source(double power, double carbon, double own) noexcept nogil:
    """Own production: W and g/h; renewable where own is 1."""
    return Source(power, Mix(carbon / power if power > 0 else 0.0, own, own))


cdef inline void take(Source *origin, Arrival *target, double power) noexcept nogil:
    """Give up to `power` W of a source to an outflow."""
    cdef double given = min(power, origin.power)
    origin.power -= given
    target.carbon += given * origin.mix.carbon
    target.clean += given * origin.mix.clean
    target.own += given * origin.mix.own


cdef inline void serve(Source *sources, int count, Arrival *target, double power) noexcept nogil:
    """Fill an outflow of `power` W from the sources in their order."""
    cdef double before
    cdef int i
    for i in range(count):
        if power <= 0:
            return
        before = sources[i].power
        take(&sources[i], target, power)
        power -= before - sources[i].power


cdef inline void share_proportionally(
    Source *sources, const Flows *flows, Arrival *load, Arrival *charge, Arrival *export_
) noexcept nogil:
    """METHOD 4.4, default: every outflow carries the mix of the inflows.

    The inflow's carbon is spread over the outflows, which is the same as the mix but for meter noise; so
    none is made or lost when the meters disagree.
    """
    cdef double outflow = flows.load + flows.charge + flows.exported
    cdef Arrival inflow = Arrival(0, 0, 0)
    cdef double part
    cdef int i
    for i in range(4):
        take(&sources[i], &inflow, sources[i].power)
    if not outflow > 0:
        return
    part = flows.load / outflow
    load[0] = Arrival(inflow.carbon * part, inflow.clean * part, inflow.own * part)
    part = flows.charge / outflow
    charge[0] = Arrival(inflow.carbon * part, inflow.clean * part, inflow.own * part)
    part = flows.exported / outflow
    export_[0] = Arrival(inflow.carbon * part, inflow.clean * part, inflow.own * part)


cdef inline void share_locally(
    Source *sources, const Flows *flows, Arrival *load, Arrival *charge, Arrival *export_
) noexcept nogil:
    """METHOD 4.4, local first: renewable, battery, fuel and import are used up in that order.

    The load is served first, then charging, then export; the last outflow that there is takes all that is
    left, so that meter noise neither makes nor loses carbon. The net battery power is either a source or an
    outflow, so a battery never charges itself.
    """
    cdef double load_power = flows.load
    cdef double charge_power = flows.charge
    if not flows.exported > 0:
        if charge_power > 0:
            charge_power = INFINITY
        else:
            load_power = INFINITY
    serve(sources, 4, load, load_power)
    serve(sources, 4, charge, charge_power)
    serve(sources, 4, export_, INFINITY)


cdef inline Delivery delivery(
    const Stock *stock, double energy, double efficiency, double grid, double grid_clean
) noexcept nogil:
    """METHOD 4.6: what `energy` Wh at the bus take from the store, and what each of them carries.

    What the known stock cannot give was charged before anybody looked: it counts with the grid's intensity
    inside the store, as METHOD's start value does. With no energy: what the next Wh would carry.
    """
    cdef Delivery result
    cdef double wanted = energy / efficiency
    cdef double part, carbon, clean, own
    result.energy = min(wanted, stock.energy)
    result.opening = wanted - result.energy
    if wanted > 0:
        part = result.energy / wanted
    else:
        part = 1.0 if stock.energy > 0 else 0.0
    carbon = clean = own = 0
    if stock.energy > 0:
        carbon = stock.carbon / stock.energy
        clean = stock.clean / stock.energy
        own = stock.own / stock.energy
    # carbon is concentrated by the loss, shares are not
    result.mix.carbon = (part * carbon + (1 - part) * grid) / efficiency
    result.mix.clean = part * clean + (1 - part) * grid_clean
    result.mix.own = part * own
    return result


cdef inline void discharge(Stock *stock, double energy) noexcept nogil:
    """Take Wh (inside the store, at most what is in it) out of the known stock, each with the same carbon."""
    cdef double left
    if not energy < stock.energy:
        stock[0] = Stock(0, 0, 0, 0)
        return
    # the part that stays, not the part that goes: its intensity is then the same to the last bit but one
    left = (stock.energy - energy) / stock.energy
    stock.energy -= energy
    stock.carbon *= left
    stock.clean *= left
    stock.own *= left


cdef inline void charge(
    Stock *stock, const Arrival *arrival, double power, double hours, double efficiency
) noexcept nogil:
    """METHOD 4.6: the store gains what the losses leave of the energy, and all of its carbon."""
    cdef double kept = hours * efficiency
    stock.energy += power * kept
    stock.carbon += arrival.carbon * hours
    stock.clean += arrival.clean * kept
    stock.own += arrival.own * kept


# Sums

cdef inline void add(Total *total, double value) noexcept nogil:
    """Knuth's TwoSum, then renormalised: an error of 1e-32 a sum, so years of ticks lose no gram."""
    cdef double high = total.high + value
    cdef double shadow = high - total.high
    cdef double low = (total.high - (high - shadow)) + (value - shadow) + total.low
    total.high = high + low
    total.low = low - (total.high - high)


cdef inline double since(const Total *total, const Total *start) noexcept nogil:
    """total - start, to the last bit of a double."""
    cdef double high = total.high - start.high
    cdef double shadow = high - total.high
    cdef double low = (total.high - (high - shadow)) - (start.high + shadow)
    return high + (low + (total.low - start.low))


# The accounts

@cython.final
cdef class Accounts:
    cdef int channels
    cdef int windows
    cdef int firsts[10]        # each role's first place in `order`; the next role's is its end
    cdef bint local_first
    cdef double residual_factor    # g/Wh
    cdef Efficiency efficiency
    cdef int *role
    cdef int *order            # channels sorted by role
    cdef double *factor        # g/Wh
    # the block that state() copies, and its parts
    cdef char *block
    cdef Py_ssize_t block_size
    cdef Header *header
    cdef Stock *store
    cdef Total *totals
    cdef Total *starts         # the totals at each window's start
    cdef double *before        # each channel's power at the instant before, W

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
    ):
        cdef int i
        roles, factors = list(roles), list(factors)
        if len(factors) != len(roles):
            raise ValueError(f"factors: {len(factors)}, expected one a channel: {len(roles)}")
        if method not in ("proportional", "local-first"):
            raise ValueError(f"method: {method!r}, expected proportional or local-first")
        if not 0 <= residual_factor <= MOST_INTENSITY:
            raise ValueError(f"residual_factor: {residual_factor} g/kWh, expected 0 to {MOST_INTENSITY}")
        for name, efficiency in (("charge", charge_efficiency), ("discharge", discharge_efficiency)):
            # a thousandth is no battery's; it keeps the mix of a discharge finite
            if not 0.001 <= efficiency <= 1:
                raise ValueError(f"{name}_efficiency: {efficiency}, expected 0.001 to 1")
        if not 0 <= windows <= 1000:
            raise ValueError(f"windows: {windows}, expected 0 to 1000")
        self.channels = len(roles)
        self.windows = windows
        self.local_first = method == "local-first"
        self.residual_factor = residual_factor / WH_PER_KWH
        self.efficiency = Efficiency(charge_efficiency, discharge_efficiency)
        # one element more than needed: calloc(0) may answer NULL
        self.role = <int *> calloc(self.channels + 1, sizeof(int))
        self.order = <int *> calloc(self.channels + 1, sizeof(int))
        self.factor = <double *> calloc(self.channels + 1, sizeof(double))
        self.block_size = (
            sizeof(Header) + sizeof(Stock)
            + (1 + windows) * SUM_COUNT * sizeof(Total) + self.channels * sizeof(double)
        )
        self.block = <char *> calloc(1, self.block_size)
        if self.role == NULL or self.order == NULL or self.factor == NULL or self.block == NULL:
            raise MemoryError
        self.header = <Header *> self.block
        self.store = <Stock *> (self.header + 1)
        self.totals = <Total *> (self.store + 1)
        self.starts = self.totals + SUM_COUNT
        self.before = <double *> (self.starts + windows * SUM_COUNT)
        self.set_channels(roles, factors)
        self.header[0] = Header(MAGIC, VERSION, self.channels, windows, 2166136261)
        for i in range(self.channels):
            self.before[i] = NAN
            self.header.roles = (self.header.roles ^ <uint32_t> self.role[i]) * <uint32_t> 16777619

    def __init__(self, *_, **__):
        """Nothing is left to do; without it the class would not show the stub's signature."""

    def __dealloc__(self):
        free(self.role)
        free(self.order)
        free(self.factor)
        free(self.block)

    cdef int set_channels(self, list roles, list factors) except -1:
        cdef int i, role
        for i in range(self.channels):
            if roles[i] not in ROLES:
                raise ValueError(f"channel {i}: role {roles[i]!r}, expected one of {' '.join(ROLES)}")
            role = ROLES.index(roles[i])
            self.role[i] = role
            if PV <= role <= CHP:
                if not 0 <= factors[i] <= MOST_INTENSITY:
                    raise ValueError(f"channel {i}: factor {factors[i]}, expected 0 to {MOST_INTENSITY} g/kWh")
                self.factor[i] = factors[i] / WH_PER_KWH
        place = 0
        for role in range(len(ROLES)):
            self.firsts[role] = place
            for i in range(self.channels):
                if self.role[i] == role:
                    self.order[place] = i
                    place += 1
        self.firsts[len(ROLES)] = place
        return 0

    cdef double power(self, int channel, const double *powers, bint ends) noexcept nogil:
        """The channel's power over the interval, W; NaN when missing."""
        cdef double now = powers[channel]
        if not fabs(now) <= MOST_POWER:
            now = NAN
        cdef double result = interval_power(self.before[channel], now) if ends else now
        self.before[channel] = now
        return result

    cdef double total(self, int role, const double *powers, bint ends, int *seen) noexcept nogil:
        """The sum of a role's channels, W; adds the number of those that are there to `seen`."""
        cdef double result = 0
        cdef double power
        cdef int i
        for i in range(self.firsts[role], self.firsts[role + 1]):
            power = self.power(self.order[i], powers, ends)
            if not isnan(power):
                seen[0] += 1
                result += power
        return result

    cdef double produced(
        self, int role, const double *powers, bint ends, int *seen, double *carbon
    ) noexcept nogil:
        """The production of a role's channels, W; adds to `seen` and to `carbon` (g/h).

        A producer that draws power, as an inverter at night, produces nothing and so adds to the load (4.1).
        """
        cdef double result = 0
        cdef double power
        cdef int i
        for i in range(self.firsts[role], self.firsts[role + 1]):
            power = self.power(self.order[i], powers, ends)
            if not isnan(power):
                seen[0] += 1
                power = power if power > 0 else 0.0
                result += power
                carbon[0] += power * self.factor[self.order[i]]
        return result

    cdef Flows flows(self, const double *powers, bint ends, Seen *seen) noexcept nogil:
        """Sum the channels by role; remembers the powers for the next interval.

        Grid and battery channels are summed before the sign is taken (4.1). The load is left for the
        balance, and the residual is still the sum of the sub-meters.
        """
        cdef Flows result = Flows(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
        cdef double grid, battery, renewable
        seen[0] = Seen(0, 0, 0, 0, 0)
        grid = self.total(GRID, powers, ends, &seen.grid)
        battery = self.total(BATTERY, powers, ends, &seen.battery)
        result.residual = self.total(LOAD, powers, ends, &seen.meters)
        result.residual += self.total(EV, powers, ends, &seen.meters)
        result.pv = self.produced(PV, powers, ends, &seen.pv, &result.renewable_carbon)
        renewable = (
            self.produced(WIND, powers, ends, &seen.generation, &result.renewable_carbon)
            + self.produced(HYDRO, powers, ends, &seen.generation, &result.renewable_carbon)
        )
        result.fuel = (
            self.produced(GENSET, powers, ends, &seen.generation, &result.fuel_carbon)
            + self.produced(CHP, powers, ends, &seen.generation, &result.fuel_carbon)
        )
        result.renewable = result.pv + renewable
        result.generation = result.fuel + renewable
        result.imported = grid if grid > 0 else 0.0
        result.exported = -grid if grid < 0 else 0.0
        result.discharge = battery if battery > 0 else 0.0
        result.charge = -battery if battery < 0 else 0.0
        return result

    cdef int count(self, int first, int last) noexcept nogil:
        """Channels with the roles first to last."""
        return self.firsts[last + 1] - self.firsts[first]

    cdef void row(self, const double *given, double *out) noexcept nogil:
        """One row in to one row out; both as in the stub."""
        cdef double seconds = given[0] if 0 < given[0] <= MOST_SECONDS else 0.0
        cdef double hours = seconds / SECONDS_PER_HOUR
        cdef double grid = given[1] / WH_PER_KWH
        cdef double grid_clean = max(0.0, min(1.0, given[2])) if not isnan(given[2]) else 0.0
        cdef double inflow, outflow, coverage, residual_power
        cdef double gained[SUM_COUNT]
        cdef Seen seen
        cdef Flows flows = self.flows(given + HEAD, seconds > 0, &seen)
        cdef Delivery drawn
        cdef Source sources[4]
        cdef Arrival load = Arrival(0, 0, 0)
        cdef Arrival stored = Arrival(0, 0, 0)
        cdef Arrival exported = Arrival(0, 0, 0)
        cdef int meters = self.count(LOAD, EV)
        cdef int i

        for i in range(OUTPUT_COUNT):
            out[i] = NAN
        out[COVERAGE] = 0
        if not 0 <= given[1] <= MOST_INTENSITY:
            return
        out[GRID_INTENSITY] = given[1]
        if seen.grid < self.count(GRID, GRID) or self.count(GRID, BATTERY) == 0:
            return

        coverage = <double> (seen.grid + seen.pv + seen.generation + seen.battery) / self.count(GRID, BATTERY)
        inflow = flows.imported + flows.renewable + flows.fuel + flows.discharge
        outflow = flows.exported + flows.charge
        flows.load = inflow - outflow
        drawn = delivery(self.store, flows.discharge * hours, self.efficiency.discharge, grid, grid_clean)
        out[COVERAGE] = coverage
        out[1] = flows.imported
        out[2] = flows.exported
        out[3] = flows.pv if seen.pv or not self.count(PV, PV) else NAN
        out[4] = flows.generation if seen.generation or not self.count(WIND, CHP) else NAN
        out[5] = flows.discharge if seen.battery or not self.count(BATTERY, BATTERY) else NAN
        out[6] = flows.charge if seen.battery or not self.count(BATTERY, BATTERY) else NAN
        for i in range(1, 7):
            out[POWER_COUNT + i] = out[i] * hours
        if flows.discharge > 0 or self.store.energy > 0:
            out[BATTERY_INTENSITY] = drawn.mix.carbon * WH_PER_KWH
        if flows.load < -NOISE * inflow:
            return  # a balance fault: wrong sign, swapped transformer or a meter that is not there
        if flows.load <= ROUNDING * inflow:
            flows.load = 0
        flows.residual -= flows.load
        out[0] = flows.load
        out[POWER_COUNT] = flows.load * hours
        residual_power = flows.residual if meters and seen.meters == meters else NAN
        out[7] = residual_power
        out[POWER_COUNT + 7] = residual_power * hours

        sources[0] = source(flows.renewable, flows.renewable_carbon, 1)
        sources[1] = Source(flows.discharge, drawn.mix)
        sources[2] = source(flows.fuel, flows.fuel_carbon, 0)
        sources[3] = Source(flows.imported, Mix(grid, grid_clean, 0))
        if self.local_first:
            share_locally(sources, &flows, &load, &stored, &exported)
        else:
            share_proportionally(sources, &flows, &load, &stored, &exported)

        gained[SUM_LOAD] = flows.load
        gained[SUM_IMPORT] = flows.imported
        gained[SUM_EXPORT] = flows.exported
        gained[SUM_PV] = flows.pv
        gained[SUM_GENERATION] = flows.generation
        gained[SUM_DISCHARGE] = flows.discharge
        gained[SUM_CHARGE] = flows.charge
        gained[SUM_RESIDUAL] = 0 if isnan(residual_power) else residual_power
        gained[SUM_EMISSION] = load.carbon
        gained[SUM_SCOPE1] = flows.fuel_carbon
        gained[SUM_SCOPE2_LOCATION] = flows.imported * grid
        gained[SUM_SCOPE2_MARKET] = flows.imported * self.residual_factor
        gained[SUM_AVOIDED] = (load.own + flows.exported) * grid - exported.carbon
        gained[SUM_CARBON_IN] = gained[SUM_SCOPE2_LOCATION] + flows.renewable_carbon + flows.fuel_carbon
        gained[SUM_CARBON_EXPORT] = exported.carbon
        gained[SUM_CARBON_DISCHARGE] = flows.discharge * drawn.mix.carbon
        gained[SUM_CLEAN_LOAD] = load.clean
        gained[SUM_OWN_LOAD] = load.own
        gained[SUM_OWN_EXPORT] = exported.own
        gained[SUM_OWN_PRODUCTION] = flows.renewable

        out[EMISSION_INTENSITY] = ratio(load.carbon, flows.load) * WH_PER_KWH
        out[EMISSION_RATE] = load.carbon
        for i in range(5):
            out[EMISSION + i] = gained[SUM_EMISSION + i] * hours
        out[CLEAN_SHARE] = share(load.clean, flows.load)
        out[SELF_CONSUMPTION] = share(flows.renewable - exported.own, flows.renewable)
        out[SELF_SUFFICIENCY] = share(load.own, flows.load)

        if not seconds > 0:
            return
        for i in range(SUM_GRID):
            gained[i] *= hours
        gained[SUM_OPENING] = drawn.opening * grid
        gained[SUM_GRID] = given[1] * seconds
        gained[SUM_TIME] = seconds
        gained[SUM_COVERED] = seconds * coverage
        gained[SUM_RESIDUAL_TIME] = 0 if isnan(residual_power) else seconds
        for i in range(SUM_COUNT):
            add(&self.totals[i], gained[i])
        discharge(self.store, drawn.energy)
        charge(self.store, &stored, flows.charge, hours, self.efficiency.charge)

    cdef void rows(self, const double *given, double *out, Py_ssize_t count) noexcept nogil:
        cdef Py_ssize_t i
        for i in range(count):
            self.row(given + i * (HEAD + self.channels), out + i * OUTPUT_COUNT)

    def step(self, bytes block not None):
        cdef Py_ssize_t size = (HEAD + self.channels) * <Py_ssize_t> sizeof(double)
        cdef Py_ssize_t count = PyBytes_GET_SIZE(block) // size
        cdef bytes out
        if PyBytes_GET_SIZE(block) != count * size:
            raise ValueError(f"block: {len(block)} bytes, expected rows of {size}")
        out = PyBytes_FromStringAndSize(NULL, count * OUTPUT_COUNT * <Py_ssize_t> sizeof(double))
        self.rows(<const double *> PyBytes_AS_STRING(block), <double *> PyBytes_AS_STRING(out), count)
        return out

    cdef Total *start(self, int index) except NULL:
        if not 0 <= index < self.windows:
            raise IndexError(f"window {index}, expected 0 to {self.windows - 1}")
        return self.starts + index * SUM_COUNT

    def window(self, int index, double seconds):
        cdef Total *start = self.start(index)
        cdef double sums[SUM_COUNT]
        cdef double *out
        cdef double hours, residual_hours
        cdef bytes row
        cdef int i
        if not 0 < seconds < INFINITY:
            raise ValueError(f"window of {seconds} s, expected more than 0")
        row = PyBytes_FromStringAndSize(NULL, OUTPUT_COUNT * <Py_ssize_t> sizeof(double))
        out = <double *> PyBytes_AS_STRING(row)
        for i in range(OUTPUT_COUNT):
            out[i] = NAN
        for i in range(SUM_COUNT):
            sums[i] = since(&self.totals[i], &start[i])
        out[COVERAGE] = share(sums[SUM_COVERED], seconds)
        if not sums[SUM_TIME] > 0:
            return row
        hours = sums[SUM_TIME] / SECONDS_PER_HOUR
        residual_hours = sums[SUM_RESIDUAL_TIME] / SECONDS_PER_HOUR
        for i in range(7):
            out[i] = sums[i] / hours
            out[POWER_COUNT + i] = sums[i]
        if residual_hours > 0:
            out[7] = sums[SUM_RESIDUAL] / residual_hours
            out[POWER_COUNT + 7] = sums[SUM_RESIDUAL]
        for i in range(5):
            out[EMISSION + i] = sums[SUM_EMISSION + i]
        out[EMISSION_RATE] = sums[SUM_EMISSION] / hours
        out[EMISSION_INTENSITY] = ratio(sums[SUM_EMISSION], sums[SUM_LOAD]) * WH_PER_KWH
        out[GRID_INTENSITY] = sums[SUM_GRID] / sums[SUM_TIME]
        if sums[SUM_IMPORT] > 0:
            out[GRID_INTENSITY] = sums[SUM_SCOPE2_LOCATION] / sums[SUM_IMPORT] * WH_PER_KWH
        out[BATTERY_INTENSITY] = ratio(sums[SUM_CARBON_DISCHARGE], sums[SUM_DISCHARGE]) * WH_PER_KWH
        out[CLEAN_SHARE] = share(sums[SUM_CLEAN_LOAD], sums[SUM_LOAD])
        out[SELF_CONSUMPTION] = share(
            sums[SUM_OWN_PRODUCTION] - sums[SUM_OWN_EXPORT], sums[SUM_OWN_PRODUCTION]
        )
        out[SELF_SUFFICIENCY] = share(sums[SUM_OWN_LOAD], sums[SUM_LOAD])
        return row

    def reset(self, int index):
        memcpy(self.start(index), self.totals, SUM_COUNT * sizeof(Total))

    def stock(self):
        return self.store.energy, self.store.carbon

    def ledger(self):
        # nothing is lost: the store's losses concentrate its carbon in what it delivers
        return (
            self.totals[SUM_CARBON_IN].high,
            self.totals[SUM_EMISSION].high,
            self.totals[SUM_CARBON_EXPORT].high,
            0.0,
            self.totals[SUM_OPENING].high,
        )

    def state(self):
        return PyBytes_FromStringAndSize(self.block, self.block_size)

    def restore(self, bytes state not None):
        cdef Header *header = <Header *> PyBytes_AS_STRING(state)
        cdef const double *numbers
        cdef Py_ssize_t i
        cdef Py_ssize_t count = (<char *> self.before - <char *> self.store) // <Py_ssize_t> sizeof(double)
        if PyBytes_GET_SIZE(state) < <Py_ssize_t> sizeof(Header) or header.magic != MAGIC:
            raise ValueError("state: not one of these accounts")
        if header.version != VERSION:
            raise ValueError(f"state: version {header.version}, expected {VERSION}")
        if header.channels != self.header.channels or header.roles != self.header.roles:
            raise ValueError("state: made by other channels")
        if header.windows != self.header.windows or PyBytes_GET_SIZE(state) != self.block_size:
            raise ValueError(f"state: made with {header.windows} windows, expected {self.windows}")
        numbers = <const double *> (header + 1)
        for i in range(count):
            if not isfinite(numbers[i]) or (i < 4 and numbers[i] < 0):
                raise ValueError("state: damaged")
        memcpy(self.block, PyBytes_AS_STRING(state), self.block_size)
