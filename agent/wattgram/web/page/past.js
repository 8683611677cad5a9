// The section History: any period; a drag over a plot zooms in, a double click or the button goes back.

import { byId, made, put } from "./dom.js";
import { NONE, grams, isNumber, power, withUncertainty } from "./format.js";
import { fetchJson } from "./live.js";
import { Plots } from "./plots.js";
import { t } from "./texts.js";

const SHORTEST = 10; // s, shortest period of a plot
const ROWS = 48; // most rows of the table
const REFETCH = 15000; // ms between two fetches of a period that ends now

const TABLE = [
  ["emission_intensity", null], ["grid_intensity", grams], ["load_power", power], ["pv_power", power],
  ["grid_import_power", power], ["grid_export_power", power],
];

export class Past {
  constructor(siteTime) {
    this.siteTime = siteTime;
    this.minutes = 60;
    this.trail = []; // earlier periods for the button Back, each [since, until]
    this.period = null; // null: the last `minutes`
    this.open = false;
    const zoom = (since, until) => this.#zoom(since, until);
    this.plots = new Plots(byId("past-intensity"), byId("past-power"), siteTime.zone, { zoom, back: () => this.#back() });
    this.buttons = [...document.querySelectorAll("#panel-history [data-minutes]")];
    for (const button of this.buttons) button.addEventListener("click", () => this.#choose(button));
    byId("past-back").addEventListener("click", () => this.#back());
    byId("past-earlier").addEventListener("click", () => this.#move(-1));
    byId("past-later").addEventListener("click", () => this.#move(1));
    byId("past-table").addEventListener("toggle", () => this.#table());
    setInterval(() => this.open && !this.period && !document.hidden && this.fetch(), REFETCH);
  }

  // Open or close the section.
  show(open) {
    this.open = open;
    if (open) this.fetch();
  }

  redraw() {
    this.plots.redraw();
  }

  async fetch() {
    const { period, minutes } = this;
    try {
      const query = period ? `from=${period[0].toFixed(3)}&to=${period[1].toFixed(3)}` : `minutes=${minutes}`;
      const history = await fetchJson(`/api/history?${query}`);
      if (period !== this.period || minutes !== this.minutes) return; // the reader has chosen another period meanwhile
      this.history = history;
      this.plots.show(history);
      this.#describe();
      this.#table();
    } catch (error) {
      put("past-period", t("past.failed", { reason: error.message }));
    }
  }

  #choose(button) {
    this.minutes = Number(button.dataset.minutes);
    this.trail = [];
    this.#go(null);
  }

  #zoom(since, until) {
    if (until - since < SHORTEST) {
      const middle = (since + until) / 2;
      [since, until] = [middle - SHORTEST / 2, middle + SHORTEST / 2];
    }
    this.trail.push(this.period);
    this.#go([since, until]);
  }

  #back() {
    if (this.trail.length) this.#go(this.trail.pop());
  }

  #move(direction) {
    if (!this.history) return;
    const { since, until } = this.history;
    const step = (direction * (until - since)) / 2;
    if (since + step < 0) return;
    if (!this.period) this.trail.push(this.period);
    this.#go([since + step, until + step]);
  }

  #go(period) {
    this.period = period;
    for (const button of this.buttons) {
      button.setAttribute("aria-pressed", String(!period && Number(button.dataset.minutes) === this.minutes));
    }
    byId("past-back").disabled = !this.trail.length;
    this.fetch();
  }

  #describe() {
    const { since, until, resolution, time, correction, uncertainty_basis } = this.history;
    const ends = [since, until].map((second) => this.siteTime.full(second * 1e3));
    const period = t(time.length ? "past.period" : "past.empty", { from: ends[0], to: ends[1], resolution: t(`resolution.${resolution}`) });
    put("past-period", period);
    put("past-corrected", correction ? t("past.corrected", { names: correction }) : "");
    put("past-band", uncertainty_basis ? t(`past.${uncertainty_basis}`) : "");
    const values = this.history.emission_intensity.filter(isNumber);
    const least = values.length ? Math.min(...values) : null;
    const most = values.length ? Math.max(...values) : null;
    byId("past-intensity").setAttribute("aria-label", t("past.summary", { least: grams(least), most: grams(most) }));
  }

  #table() {
    if (!byId("past-table").open || !this.history) return;
    const { time } = this.history;
    const step = Math.max(1, Math.ceil(time.length / ROWS));
    const rows = [];
    for (let i = 0; i < time.length; i += step) {
      const row = document.createElement("tr");
      const head = made("th", this.siteTime.full(time[i] * 1e3));
      head.scope = "row";
      row.append(head);
      const unsure = this.history.emission_intensity_uncertainty?.[i];
      const intensity = (value) => (isNumber(unsure) ? withUncertainty(value, unsure, [1, ""]).trim() : grams(value));
      for (const [name, written] of TABLE) {
        const value = this.history[name][i];
        const write = written ?? intensity;
        row.append(made("td", isNumber(value) ? write(value) : NONE, "number"));
      }
      rows.push(row);
    }
    byId("past-rows").replaceChildren(...rows);
  }
}
