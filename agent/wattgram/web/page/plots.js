// The plots of intensity and power over time, drawn by uPlot. Colours come from the style sheet, for both colour schemes.

import { grams, isNumber, power, withUncertainty } from "./format.js";
import { LOCALE, t } from "./texts.js";

const HEIGHT = 152;
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const paint = (name) => () => colour(name);
const straight = uPlot.paths.linear();
const steps = uPlot.paths.stepped({ align: 1 });

export const COLUMNS = [
  "emission_intensity", "grid_intensity", "load_power", "pv_power", "generation_power", "grid_import_power",
  "grid_export_power", "battery_discharge_power", "battery_charge_power", "emission_intensity_uncertainty",
];

export class Plots {
  // `zoom(since, until)` is called after a drag, `back()` on a double click. With them, the x axis shows the whole
  // requested period; without them, the range of the data.
  constructor(intensity, powers, zone, { zoom = null, back = null } = {}) {
    this.parents = [intensity, powers];
    this.zone = zone;
    this.zoom = zoom;
    this.back = back;
    this.plots = [];
    this.raw = [];
    new ResizeObserver(() => this.#fit()).observe(intensity);
  }

  // `history`: an answer of /api/history.
  show(history) {
    this.history = history;
    const generator = history.generation_power.some((watts) => watts > 0);
    if (history.time.length < 2 && !this.plots.length && !this.zoom) return;
    if (!this.plots.length || generator !== this.generator) {
      this.generator = generator;
      this.plots.forEach((plot) => plot.destroy());
      this.parents.forEach((parent) => parent.replaceChildren());
      this.plots = [this.#intensity(this.parents[0]), this.#power(this.parents[1])];
    }
    const [upper, lower] = [1, -1].map((sign) => bound(history, sign));
    this.plots[0].setData([history.time, history.emission_intensity, history.grid_intensity, upper, lower]);
    const kilo = (name) => history[name].map((watts) => (isNumber(watts) ? watts / 1e3 : null));
    const parts = { pv: kilo("pv_power"), generator: kilo("generation_power"), battery: kilo("battery_discharge_power"), grid: kilo("grid_import_power") };
    if (!generator) delete parts.generator;
    const load = kilo("load_power");
    const exported = kilo("grid_export_power");
    const charged = kilo("battery_charge_power");
    // uPlot draws the stack from its top down; the legend shows the columns themselves, from `raw`.
    const stacked = [];
    Object.values(parts).reduce((total, column) => {
      const top = total ? stack(total, column) : column;
      stacked.unshift(top);
      return top;
    }, null);
    this.raw = [null, ...Object.values(parts).reverse(), load, exported, charged];
    const negative = (column) => column.map((value) => (value === null ? null : -value));
    this.plots[1].setData([history.time, ...stacked, load, negative(stack(exported, charged)), negative(charged)]);
  }

  redraw() {
    this.plots.forEach((plot) => plot.redraw());
  }

  #fit() {
    for (const [i, plot] of this.plots.entries()) {
      if (this.parents[i].clientWidth) plot.setSize({ width: this.parents[i].clientWidth, height: HEIGHT });
    }
  }

  #axes(size) {
    const common = { stroke: paint("muted"), font: "11px system-ui, sans-serif", ticks: { show: false } };
    return [
      { ...common, space: 64, size: 26, grid: { show: false }, values: (plot, ticks, _axis, _space, step) => ticks.map((tick) => this.#label(tick, step)) },
      { ...common, space: 34, size, grid: { stroke: paint("line"), width: 1 }, values: (_plot, ticks) => ticks.map((tick) => String(tick).replace("-", "\u2212")) },
    ];
  }

  // The label of a time on the axis: at midnight, the date.
  #label(second, step) {
    const time = new Date(second * 1e3);
    const clock = { timeZone: this.zone, hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
    if (step < 60) clock.second = "2-digit";
    const text = time.toLocaleTimeString(LOCALE, clock);
    if (step >= 3600 && (step >= 86400 || text === "00:00")) {
      return time.toLocaleDateString(LOCALE, { timeZone: this.zone, day: "numeric", month: "short" });
    }
    return text;
  }

  // A time in the legend.
  #moment(second) {
    if (!isNumber(second)) return "—";
    const span = this.history ? this.history.until - this.history.since : 0;
    const options = { timeZone: this.zone, hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" };
    if (span > 86400) Object.assign(options, { day: "numeric", month: "short" });
    return new Date(second * 1e3).toLocaleString(LOCALE, options);
  }

  #options(parent, series, range) {
    const time = { label: t("plot.time"), value: (plot, second) => this.#moment(second ?? plot.data[0].at(-1)) };
    const chosen = (plot) => {
      const { left, width } = plot.select;
      if (width < 4) return;
      const [since, until] = [left, left + width].map((x) => plot.posToVal(x, "x"));
      plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
      this.zoom(since, until);
    };
    const requested = () => [this.history.since, this.history.until];
    return {
      width: parent.clientWidth || 320, height: HEIGHT, series: [time, ...series], axes: this.#axes(46), padding: [8, 20, 0, 0],
      tzDate: (second) => uPlot.tzDate(new Date(second * 1e3), this.zone),
      cursor: {
        drag: { x: Boolean(this.zoom), y: false, setScale: false }, points: { size: 6 },
        bind: { dblclick: () => () => void this.back?.() },
      },
      hooks: this.zoom ? { setSelect: [chosen] } : {},
      legend: { live: true },
      scales: { y: { range }, ...(this.zoom ? { x: { range: requested } } : {}) },
    };
  }

  #line(label, name, more) {
    const paths = (...drawing) => ((this.history?.resolution ?? "tick") === "tick" ? straight : steps)(...drawing);
    return { label, stroke: paint(name), points: { show: false }, paths, ...more };
  }

  #intensity(parent) {
    const value = (plot, _number, series, index) => grams(plot.data[series][index ?? plot.data[0].length - 1]);
    const unsure = (plot, _number, _series, index) => {
      const at = index ?? plot.data[0].length - 1;
      const [site, width] = [plot.data[1][at], this.history?.emission_intensity_uncertainty?.[at]];
      return isNumber(site) && isNumber(width) ? withUncertainty(site, width, [1, ""]).trim() : grams(site);
    };
    const edge = { class: "edge", width: 0, value: () => "" };
    const series = [
      this.#line(t("plot.site"), "site", { fill: paint("fill"), width: 2, value: unsure }),
      this.#line(t("plot.grid"), "grid", { width: 1.5, dash: [5, 4], value }),
      this.#line(t("plot.unsure"), "site", edge), this.#line(t("plot.unsure"), "site", edge),
    ];
    const range = (_plot, _low, high) => [0, isNumber(high) && high > 0 ? high * 1.12 : 100];
    const options = { ...this.#options(parent, series, range), bands: [{ series: [3, 4], fill: paint("band") }] };
    return new uPlot(options, [[], [], [], [], []], parent);
  }

  #power(parent) {
    const value = (plot, _number, series, index) => {
      const at = index ?? plot.data[0].length - 1;
      const kilowatts = this.raw[series]?.[at];
      return power(isNumber(kilowatts) ? kilowatts * 1e3 : null);
    };
    const area = (label, name) => this.#line(label, name, { fill: paint(`${name}-fill`), width: 1, value });
    const sources = ["grid", "battery", ...(this.generator ? ["generator"] : []), "pv"];
    const series = [
      ...sources.map((name) => area(t(`plot.${name}`), name)),
      this.#line(t("plot.used"), "load", { width: 1.8, value }),
      area(t("plot.export"), "grid"), area(t("plot.charging"), "battery"),
    ];
    const range = (_plot, low, high) => [low < -0.5 ? low * 1.15 : 0, isNumber(high) && high > 0 ? high * 1.1 : 1];
    const options = this.#options(parent, series, range);
    options.bands = sources.slice(1).map((_name, i) => ({ series: [i + 1, i + 2] }));
    options.bands.push({ series: [sources.length + 2, sources.length + 3] });
    return new uPlot(options, [[], ...series.map(() => [])], parent);
  }
}

// An edge of the range of uncertainty of the intensity; null where the uncertainty is unknown.
function bound(history, sign) {
  return history.emission_intensity.map((value, i) => {
    const unsure = history.emission_intensity_uncertainty?.[i];
    return isNumber(value) && isNumber(unsure) ? Math.max(0, value + sign * unsure) : null;
  });
}

// Element-wise sum; a missing value counts as 0, two missing values give a missing sum.
function stack(lower, upper) {
  return lower.map((value, i) => (value === null && upper[i] === null ? null : (value ?? 0) + (upper[i] ?? 0)));
}
