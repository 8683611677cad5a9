/* One tick of a site's carbon accounts in plain C: the same sums as ext/wattgram_ext/intensity.pyx, proportional
   sharing, no interpreter. tests/bench/tick.py compiles it and calls `ticks` once for many rows. */

#include <math.h>
#include <stddef.h>

enum { GRID, PV, BATTERY, GENSET, METER, SUMS = 25, OUTPUTS = 30 };

typedef struct {
    double store, carbon, clean, own;
    double delivered, last_carbon, last_clean, last_own; /* per Wh of the last stock, after a discharge from it */
    double sums[SUMS], rest[SUMS];
    double before[64];
} State;

static void add(State *state, int i, double value)
{
    double high = state->sums[i] + value;
    double shadow = high - state->sums[i];
    double low = (state->sums[i] - (high - shadow)) + (value - shadow) + state->rest[i];
    state->sums[i] = high + low;
    state->rest[i] = low - (state->sums[i] - high);
}

static double share(double part, double whole)
{
    double value = whole > 0 ? part / whole : NAN;
    return value < 0 ? 0 : value > 1 ? 1 : value;
}

static void tick(State *state, int channels, const int *role, const double *factor, const double *in, double *out)
{
    double hours = in[0] / 3600, grid = in[1] / 1000, grid_clean = isnan(in[2]) ? 0 : in[2];
    double power[5] = {0}, carbon[5] = {0}, gained[SUMS];
    int seen[5] = {0}, count[5] = {0};
    for (int i = 0; i < channels; i++) {
        double now = in[3 + i], was = state->before[i], mean;
        if (!(fabs(now) <= 1e12))
            now = NAN;
        state->before[i] = now;
        mean = isnan(was) ? now : isnan(now) ? was : 0.5 * (was + now);
        count[role[i]]++;
        if (isnan(mean))
            continue;
        if ((role[i] == PV || role[i] == GENSET) && mean < 0)
            mean = 0;
        seen[role[i]]++;
        power[role[i]] += mean;
        carbon[role[i]] += mean * factor[i];
    }
    double import = fmax(power[GRID], 0), export = fmax(-power[GRID], 0);
    double discharge = fmax(power[BATTERY], 0), charge = fmax(-power[BATTERY], 0);
    double inflow = import + power[PV] + power[GENSET] + discharge;
    double load = inflow - export - charge;
    double wanted = discharge * hours / 0.95, known = fmin(wanted, state->store);
    /* Energy beyond the stock is that of the last stock, or of the grid before the first one (METHOD-SITE 9.6). */
    int stored = state->store > 0, emptied = state->delivered > 0;
    double k = stored ? state->carbon / state->store : emptied ? state->last_carbon : grid;
    double q = stored ? state->clean / state->store : emptied ? state->last_clean : grid_clean;
    double o = stored ? state->own / state->store : emptied ? state->last_own : 0;
    double battery = k / 0.95;
    double coverage = (double)(seen[GRID] + seen[PV] + seen[BATTERY] + seen[GENSET])
                      / (count[GRID] + count[PV] + count[BATTERY] + count[GENSET]);
    for (int i = 0; i < OUTPUTS; i++)
        out[i] = NAN;
    if (seen[GRID] < count[GRID] || load < -0.02 * inflow)
        return;
    if (load <= 1e-9 * inflow)
        load = 0;
    double total_carbon = import * grid + carbon[PV] + carbon[GENSET] + discharge * battery;
    double total_clean = import * grid_clean + power[PV] + discharge * q;
    double total_own = power[PV] + discharge * o;
    double outflow = load + charge + export;
    double to_load = outflow > 0 ? load / outflow : 0, to_store = outflow > 0 ? charge / outflow : 0;
    double to_export = outflow > 0 ? export / outflow : 0;
    double residual = seen[METER] == count[METER] ? power[METER] - load : NAN;
    double flows[8] = {load, import, export, power[PV], power[GENSET], discharge, charge, residual};
    for (int i = 0; i < 8; i++) {
        out[i] = flows[i];
        out[8 + i] = flows[i] * hours;
        gained[i] = flows[i];
    }
    gained[7] = isnan(residual) ? 0 : residual;
    gained[8] = total_carbon * to_load;
    gained[9] = carbon[GENSET];
    gained[10] = import * grid;
    gained[11] = import * 0.6096;
    gained[12] = (total_own * to_load + export) * grid - total_carbon * to_export;
    gained[13] = gained[10] + carbon[PV] + carbon[GENSET];
    gained[14] = total_carbon * to_export;
    gained[15] = discharge * battery;
    gained[16] = (wanted - known) * k / hours;
    gained[17] = total_clean * to_load;
    gained[18] = total_own * to_load;
    gained[19] = total_own * to_export;
    gained[20] = power[PV];
    out[16] = load > 0 ? gained[8] / load * 1000 : NAN;
    out[17] = in[1];
    out[18] = discharge > 0 || state->store > 0 ? battery * 1000 : NAN;
    out[19] = gained[8];
    for (int i = 0; i < 5; i++)
        out[20 + i] = gained[8 + i] * hours;
    out[26] = share(gained[17], load);
    out[27] = share(power[PV] - gained[19], power[PV]);
    out[28] = share(gained[18], load);
    out[29] = coverage;
    for (int i = 0; i < 21; i++)
        gained[i] *= hours;
    gained[21] = in[1] * in[0];
    gained[22] = in[0];
    gained[23] = in[0] * coverage;
    gained[24] = isnan(residual) ? 0 : in[0];
    for (int i = 0; i < SUMS; i++)
        add(state, i, gained[i]);
    if (known > 0) {
        double left = 1 - known / state->store;
        state->delivered = 1;
        state->last_carbon = k;
        state->last_clean = q;
        state->last_own = o;
        state->store -= known;
        state->carbon *= left;
        state->clean *= left;
        state->own *= left;
    }
    state->store += charge * hours * 0.95;
    state->carbon += total_carbon * to_store * hours;
    state->clean += total_clean * to_store * hours * 0.95;
    state->own += total_own * to_store * hours * 0.95;
}

size_t state_size(void)
{
    return sizeof(State);
}

void ticks(State *state, int channels, const int *role, const double *factor, const double *in, double *out, long rows,
           int rewind)
{
    for (long i = 0; i < rows; i++)
        tick(state, channels, role, factor, in + (rewind ? 0 : i * (3 + channels)), out + (rewind ? 0 : i * OUTPUTS));
}
