# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# cython: autotestdict=False, auto_pickle=False
"""Carbon accounts from powers. Section numbers refer to METHOD, the emission method of this project.

a. Internal units are W, Wh, g and g/Wh; only inputs and outputs use g/kWh.
b. Incoming energy has three attributes per Wh: carbon, clean share, and share of the site's own renewable
   production. The allocation rules (`sharing`) and the battery (`pool`) move all three in the same way, so each
   output is a sum over the energy that arrived at a target.
c. `site_memory` is the memory of a site. Inline functions over it compute a row of an instant (`instant_row`) and of
   late energy (`late_row`).
d. Balance and allocation are those of each busbar, and the store is that of each pool (METHOD-SITE 8.4, 9.6); the
   sums are the site's alone.
e. The state for a restart is a single block of memory, which `state` and `restore` copy.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.math cimport INFINITY, NAN, isnan
from libc.string cimport memcpy, memset

from .group_use cimport Quarter
from .instant_row cimport compute_rows, ends_in
from .late_row cimport settle_row
from .old_state cimport VERSION
from .pool cimport Stock, learned_trip, out_of_range
from .pool_moves cimport charging, discharging, show_stock
from .site_memory cimport ENDS, ENERGY, MAGIC, Header, SiteMemory, allocate_memory, forget_open, free_memory
from .site_setup cimport battery_of, checked, indices_of, set_channels, set_columns, set_terminals, set_upstream
from .site_state cimport check_state, take_state
from .site_windows cimport CLOSED_COUNT, fill_window, restart_window, sum_window
from .units cimport MOST_INTENSITY, MOST_POWER, MOST_SECONDS, WH_PER_KWH
from .windows cimport *

ROLES = ("grid", "pv", "wind", "hydro", "genset", "chp", "battery", "load", "ev")
TERMINAL_ROLE = "terminal"
GROUPS = ("industry", "power", "building", "transport")
COLUMNS = (
    "energy", "carbon", "soc", "certificates", "captured", "official", "burnt", "biogenic", "heat", "ends",
    "residual",
)
FACTOR_COLUMN = "certificate_factor"
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


cdef enum:
    LONG = 64            # rows from which releasing the interpreter's lock pays


@cython.final
cdef class Accounts:
    cdef SiteMemory site
    cdef bytes ended

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
        self.site.channels = len(roles)
        self.site.busbars = 1 + max(busbars, default=0)
        self.site.pools = len(batteries)
        self.site.windows = windows
        self.site.hour = hour
        self.site.local_first = method == "local-first"
        self.site.tariff.residual = residual_factor / WH_PER_KWH
        self.site.tariff.official = official_factor / WH_PER_KWH
        self.site.tariff.certificate = certificate_factor / WH_PER_KWH
        self.site.rated_power = rated_power
        self.site.register_step = register_step
        self.ended = b""
        if not allocate_memory(&self.site):
            raise MemoryError
        for i in range(self.site.pools):
            self.site.batteries[i] = battery_of(batteries[i], soc_time)
        self.site.header[0] = Header(
            MAGIC, VERSION, self.site.channels, windows, 2166136261, self.site.busbars, self.site.pools
        )
        set_channels(&self.site, roles, factors, groups, busbars, pools, (*ROLES, TERMINAL_ROLE), GROUPS)
        set_upstream(&self.site, [0.0] * len(roles) if upstream is None else list(upstream))
        terminals = [-1] * len(roles) if terminals is None else list(terminals)
        set_terminals(&self.site, roles, terminals, busbars, TERMINAL_ROLE)
        set_columns(&self.site, columns, (*COLUMNS, FACTOR_COLUMN))

    def __init__(self, *_, **__):
        """Do nothing: `__cinit__` has initialised all. The method gives the class the stub's signature."""

    def __dealloc__(self):
        free_memory(&self.site)

    def step(self, bytes block not None):
        cdef Py_ssize_t size = self.site.width * <Py_ssize_t> sizeof(double)
        cdef Py_ssize_t count = PyBytes_GET_SIZE(block) // size
        cdef const double *given = <const double *> PyBytes_AS_STRING(block)
        cdef double *out
        cdef double *closed
        cdef bytes result
        cdef bytes ended = b""
        if PyBytes_GET_SIZE(block) != count * size:
            raise ValueError(f"block: {len(block)} bytes, expected rows of {size}")
        result = PyBytes_FromStringAndSize(NULL, count * OUTPUT_COUNT * <Py_ssize_t> sizeof(double))
        if self.site.columns[ENDS] >= 0:
            ended = PyBytes_FromStringAndSize(
                NULL, ends_in(&self.site, given, count) * CLOSED_COUNT * <Py_ssize_t> sizeof(double)
            )
        out = <double *> PyBytes_AS_STRING(result)
        closed = <double *> PyBytes_AS_STRING(ended)
        if count < LONG:
            compute_rows(&self.site, given, count, out, closed)
        else:
            with nogil:
                compute_rows(&self.site, given, count, out, closed)
        self.ended = ended
        return result

    def late(self, bytes row not None):
        cdef Py_ssize_t size = self.site.width * <Py_ssize_t> sizeof(double)
        cdef Py_ssize_t powers = self.site.channels * <Py_ssize_t> sizeof(double)
        cdef bytes before
        cdef int i
        if PyBytes_GET_SIZE(row) != size:
            raise ValueError(f"row: {len(row)} bytes, expected {size}")
        if self.site.columns[ENERGY] < 0:
            raise ValueError("columns: no energy, expected energy for late energy")
        # the powers of the last instant belong to the next interval
        before = PyBytes_FromStringAndSize(<char *> self.site.sides.before, powers)
        for i in range(self.site.channels):
            self.site.sides.before[i] = NAN
        settle_row(&self.site, <const double *> PyBytes_AS_STRING(row))
        memcpy(self.site.sides.before, PyBytes_AS_STRING(before), powers)

    def abandon(self):
        memset(self.site.quarters, 0, self.site.busbars * sizeof(Quarter))
        forget_open(&self.site)

    def closed(self):
        return self.ended

    cdef int inside(self, int index) except -1:
        if not 0 <= index < self.site.windows:
            raise IndexError(f"window {index}, expected 0 to {self.site.windows - 1}")
        return 0

    def window(self, int index, double seconds):
        cdef double sums[SUM_COUNT]
        cdef bytes row = PyBytes_FromStringAndSize(NULL, OUTPUT_COUNT * <Py_ssize_t> sizeof(double))
        self.inside(index)
        if not 0 < seconds < INFINITY:
            raise ValueError(f"window of {seconds} s, expected more than 0")
        sum_window(&self.site, index, sums)
        fill_window(&self.site, sums, seconds, <double *> PyBytes_AS_STRING(row))
        return row

    def details(self, int index):
        cdef double sums[SUM_COUNT]
        cdef bytes row = PyBytes_FromStringAndSize(NULL, DETAIL_COUNT * <Py_ssize_t> sizeof(double))
        self.inside(index)
        sum_window(&self.site, index, sums)
        fill_details(sums, <double *> PyBytes_AS_STRING(row))
        return row

    def reset(self, int index):
        self.inside(index)
        restart_window(&self.site, index)

    cdef int pool_of(self, int pool) except -1:
        if not 0 <= pool < self.site.pools:
            raise IndexError(f"pool {pool}, expected 0 to {self.site.pools - 1}")
        return pool

    def stock(self):
        cdef double numbers[OUTPUT_COUNT]
        show_stock(&self.site, numbers)
        return numbers[STOCK_ENERGY], numbers[STOCK_EMISSION]

    def stocks(self):
        return [(self.site.stores[i].energy, self.site.stores[i].carbon) for i in range(self.site.pools)]

    def concentrated(self):
        cdef const Stock *stores = self.site.stores
        return any(stores[i].carbon > 2 * stores[i].dearest * stores[i].energy for i in range(self.site.pools))

    def out_of_range(self, int pool=0):
        self.pool_of(pool)
        return bool(out_of_range(self.site.stores + pool, self.site.trips + pool, discharging(&self.site, pool)))

    def round_trip(self, int pool=0):
        cdef double learned
        self.pool_of(pool)
        learned = learned_trip(self.site.trips + pool, self.site.batteries + pool)
        return charging(&self.site, pool) * discharging(&self.site, pool), learned

    def ledger(self):
        cdef const double *sums = self.site.totals.high
        return (
            sums[SUM_IMPORT_CARBON] + sums[SUM_RENEWABLE_CARBON] + sums[SUM_SCOPE1],
            sums[SUM_EMISSION],
            sums[SUM_EXPORT_CARBON],
            sums[SUM_LOST],
            sums[SUM_OPENING],
            sums[SUM_UNACCOUNTED_CARBON],
        )

    def state(self):
        return PyBytes_FromStringAndSize(self.site.block, self.site.block_size)

    def restore(self, bytes state not None):
        check_state(&self.site, state)
        take_state(&self.site, PyBytes_AS_STRING(state))
