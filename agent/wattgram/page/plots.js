// The two plots over time. uPlot draws; colours come from the style sheet, so both schemes fit.

import { grams, isNumber, power } from "./format.js";

const HEIGHT = 152;
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const paint = (name) => () => colour(name);

export const COLUMNS = [
  "emission_intensity", "grid_intensity", "load_power", "pv_power", "grid_import_power", "grid_export_power",
  "battery_discharge_power", "battery_charge_power",
];

export class Plots {
  constructor(intensity, powers, zone) {
    this.homes = [intensity, powers];
    this.zone = zone;
    this.plots = [];
    this.raw = [];
    new ResizeObserver(() => this.#fit()).observe(intensity);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.plots.forEach((plot) => plot.redraw()));
  }

  // `history`: columns as /api/history gives them.
  show(history) {
    if (history.time.length < 2) return;
    if (!this.plots.length) {
      this.homes.forEach((home) => home.replaceChildren());
      this.plots = [this.#intensity(this.homes[0]), this.#power(this.homes[1])];
    }
    this.plots[0].setData([history.time, history.emission_intensity, history.grid_intensity]);
    const kilo = (name, sign = 1) => history[name].map((watts) => (isNumber(watts) ? (sign * watts) / 1e3 : null));
    const load = kilo("load_power");
    const pv = kilo("pv_power");
    const battery = kilo("battery_discharge_power");
    const grid = kilo("grid_import_power");
    const exported = kilo("grid_export_power");
    const charged = kilo("battery_charge_power");
    const onPv = stack(pv, battery);
    // Drawn from the top of the pile down; the legend reads the columns themselves.
    this.raw = [null, grid, battery, pv, load, exported, charged];
    const below = (one) => one.map((value) => (value === null ? null : -value));
    this.plots[1].setData([history.time, stack(onPv, grid), onPv, pv, load, below(stack(exported, charged)), below(charged)]);
  }

  #fit() {
    for (const [i, plot] of this.plots.entries()) plot.setSize({ width: this.homes[i].clientWidth, height: HEIGHT });
  }

  #axes(size) {
    const common = { stroke: paint("muted"), font: "11px system-ui, sans-serif", ticks: { show: false } };
    return [
      { ...common, space: 60, size: 26, grid: { show: false }, values: (plot, ticks, _axis, _space, step) => ticks.map((tick) => this.#label(tick, step)) },
      { ...common, space: 34, size, grid: { stroke: paint("line"), width: 1 }, values: (_plot, ticks) => ticks.map((tick) => String(tick).replace("-", "\u2212")) },
    ];
  }

  #label(second, step) {
    const options = { timeZone: this.zone, hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
    if (step < 60) options.second = "2-digit";
    return new Date(second * 1e3).toLocaleTimeString("en-GB", options);
  }

  #options(home, series, range) {
    const time = { label: "Time", value: (plot, second) => (this.#label(second ?? plot.data[0].at(-1), 1)) };
    return {
      width: home.clientWidth, height: HEIGHT, series: [time, ...series], axes: this.#axes(46), padding: [8, 20, 0, 0],
      tzDate: (second) => uPlot.tzDate(new Date(second * 1e3), this.zone),
      cursor: { drag: { setScale: false }, points: { size: 6 } }, legend: { live: true },
      scales: { y: { range } },
    };
  }

  #intensity(home) {
    const value = (plot, _number, series, index) => grams(plot.data[series][index ?? plot.data[0].length - 1]);
    const series = [
      { label: "this site", stroke: paint("site"), fill: paint("fill"), width: 2, value, points: { show: false } },
      { label: "grid", stroke: paint("grid"), width: 1.5, dash: [5, 4], value, points: { show: false } },
    ];
    const range = (_plot, _low, high) => [0, isNumber(high) && high > 0 ? high * 1.12 : 100];
    return new uPlot(this.#options(home, series, range), [[], [], []], home);
  }

  #power(home) {
    const value = (plot, _number, series, index) => {
      const at = index ?? plot.data[0].length - 1;
      const kilowatts = this.raw[series]?.[at];
      return power(isNumber(kilowatts) ? kilowatts * 1e3 : null);
    };
    const area = (label, name) => ({
      label, stroke: paint(name), fill: paint(`${name}-fill`), width: 1, value, points: { show: false },
    });
    const series = [
      area("grid", "grid"), area("battery", "battery"), area("solar", "pv"),
      { label: "used", stroke: paint("load"), width: 1.8, value, points: { show: false } },
      area("export", "grid"), area("charging", "battery"),
    ];
    const range = (_plot, low, high) => [low < -0.5 ? low * 1.15 : 0, isNumber(high) && high > 0 ? high * 1.1 : 1];
    const options = this.#options(home, series, range);
    options.bands = [{ series: [1, 2] }, { series: [2, 3] }, { series: [5, 6] }];
    return new uPlot(options, [[], [], [], [], [], [], []], home);
  }
}

// Element-wise sum; a missing part counts as nothing, all missing is missing.
function stack(one, two) {
  return one.map((value, i) => (value === null && two[i] === null ? null : (value ?? 0) + (two[i] ?? 0)));
}
