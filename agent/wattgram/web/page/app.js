// The live page: shows each received state in the open section, fetches history and goals when their section opens.

import { offerChoices } from "./choices.js";
import { showDelivery } from "./delivery.js";
import { showDevices } from "./devices.js";
import { byId, made, put } from "./dom.js";
import { SiteTime, grams, isNumber } from "./format.js";
import { fetchGoals } from "./goals.js";
import { Live, fetchJson } from "./live.js";
import { Now } from "./now.js";
import { Past } from "./past.js";
import { COLUMNS, Plots } from "./plots.js";
import { fetchResults } from "./results.js";
import { Tabs } from "./tabs.js";
import { t, translate } from "./texts.js";

const HOUR = 3600; // s of history in the plots of the section Now
const REFETCH = 300000; // ms between two fetches of the history; received states are appended in between
const GOALS = 60000; // ms between two fetches of goals or results while their section is open

class Page {
  constructor() {
    this.now = new Now();
    this.section = "";
    this.siteTime = null;
    this.history = null;
    this.fetched = -Infinity;
    offerChoices(() => [this.plots, this.past].forEach((plots) => plots?.redraw()));
    this.tabs = new Tabs(byId("tabs"), (name) => this.#open(name));
    setInterval(() => !document.hidden && this.#fetchSlow(), GOALS);
    new Live((state) => this.#show(state), (mode, since, reason) => this.#connection(mode, since, reason));
  }

  #open(name) {
    this.section = name;
    this.past?.show(name === "history");
    this.#fetchSlow();
    if (this.state) this.#sections(this.state);
  }

  #show(state) {
    if (this.siteTime === null) {
      this.siteTime = new SiteTime(state.timezone);
      this.plots = new Plots(byId("plot-intensity"), byId("plot-power"), this.siteTime.zone);
      this.past = new Past(this.siteTime);
      this.past.show(this.section === "history");
      this.#fetchSlow();
    }
    this.state = state;
    document.title = `${grams(state.emission?.emission_intensity)} g/kWh · ${state.site}`;
    put("site", state.site);
    put("time", this.siteTime.full(state.time));
    byId("time").dateTime = state.time;
    put("zone-name", this.siteTime.zone);
    const simulated = isNumber(state.simulated_speed) && state.simulated_speed !== 1;
    byId("simulated").hidden = !simulated;
    if (simulated) put("simulated", t("simulated", { speed: Number(state.simulated_speed.toPrecision(3)) }));
    this.#sections(state);
    this.#append(state);
  }

  #fetchSlow() {
    if (this.section === "goals") fetchGoals(this.siteTime);
    if (this.section === "now") fetchResults(this.siteTime);
  }

  // Update the open section only: hidden sections cost nothing.
  #sections(state) {
    if (this.section === "now") this.now.show(state);
    if (this.section === "devices") showDevices(state);
    if (this.section === "delivery") showDelivery(state, this.siteTime);
  }

  #append(state) {
    const time = Date.parse(state.emission_time ?? state.time) / 1000;
    const last = this.history?.time.at(-1);
    const missed = last !== undefined && time - last > 3 * (state.tick ?? 1) + 1;
    if (missed || performance.now() - this.fetched > REFETCH) return void this.#fetch();
    if (!this.history || !state.emission || !(time > (last ?? 0))) return;
    this.history.time.push(time);
    for (const name of COLUMNS) this.history[name].push(isNumber(state.emission[name]) ? state.emission[name] : null);
    while (this.history.time[0] < time - HOUR) for (const name of ["time", ...COLUMNS]) this.history[name].shift();
    this.plots.show(this.history);
  }

  async #fetch() {
    if (performance.now() - this.fetched < 5000) return;
    this.fetched = performance.now();
    try {
      this.history = await fetchJson(`/api/history?minutes=${HOUR / 60}`);
      this.plots.show(this.history);
    } catch (error) {
      for (const id of ["plot-intensity", "plot-power"]) {
        if (!this.history) byId(id).replaceChildren(made("p", t("past.failed", { reason: error.message }), "empty"));
      }
    }
  }

  #connection(mode, since, reason) {
    const time = this.siteTime ? this.siteTime.clock(new Date(since)) : new Date(since).toLocaleTimeString();
    put("connection", t(`connection.${mode}`, { time }));
    byId("connection").className = `connection ${mode}`;
    put("banner", mode === "lost" && reason ? t("lost.banner", { reason, time }) : "");
    byId("banner").hidden = mode !== "lost" || !reason;
    document.body.classList.toggle("old", mode === "lost");
  }
}

translate(document);
for (const id of ["plot-intensity", "plot-power", "past-intensity", "past-power"]) {
  byId(id).replaceChildren(made("p", t("waiting"), "empty"));
}
new Page();
