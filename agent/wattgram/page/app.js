// The live page: asks /api/now each second and shows it. Everything from outside becomes text, never markup.

import { Flow, flowsOf } from "./flow.js";
import { NONE, SiteTime, age, count, grams, isNumber, power, rate, share } from "./format.js";
import { COLUMNS, Plots } from "./plots.js";

const POLL = 1000; // ms
const HISTORY = 15000; // ms between two full fetches; ticks are appended in between
const PATIENCE = 5000; // ms for one answer

const TIERS = {
  1: "measured live", 2: "estimated live", 3: "forecast", 4: "supplied by the site", 5: "official yearly factor",
  6: "built-in default",
};
const ROLES = {
  grid: "grid meter", pv: "solar", wind: "wind", hydro: "hydro", genset: "generator", chp: "CHP", battery: "battery",
  load: "sub-meter", ev: "EV charger", production: "production", capture: "CO2 capture", fuel: "fuel",
};
const STATES = { good: "good", online: "good", stale: "warn", waiting: "", lost: "bad", away: "bad" };

const byId = (id) => document.getElementById(id);
const put = (id, text) => {
  const element = byId(id);
  if (element.textContent !== text) element.textContent = text;
};

class Page {
  constructor() {
    this.flow = new Flow(byId("flow"), byId("flow-text"));
    this.plots = null;
    this.history = null;
    this.minutes = 60;
    this.fetched = -Infinity;
    this.heard = null;
    this.siteTime = null;
    for (const button of document.querySelectorAll(".ranges button")) {
      button.addEventListener("click", () => this.choose(button));
    }
    for (const id of ["plot-intensity", "plot-power"]) byId(id).replaceChildren(made("p", "Waiting for data.", "empty"));
  }

  async run() {
    for (;;) {
      const began = performance.now();
      try {
        const now = await ask("/api/now");
        this.heard = Date.now();
        this.show(now);
        banner("");
        if (performance.now() - this.fetched > HISTORY) await this.fetchHistory();
        else this.append(now);
      } catch (error) {
        this.lost(error);
      }
      await new Promise((resolve) => setTimeout(resolve, Math.max(100, POLL - (performance.now() - began))));
    }
  }

  choose(button) {
    this.minutes = Number(button.dataset.minutes);
    for (const other of document.querySelectorAll(".ranges button")) other.setAttribute("aria-pressed", String(other === button));
    this.fetched = -Infinity;
  }

  async fetchHistory() {
    this.fetched = performance.now();
    const minutes = this.minutes;
    const history = await ask(`/api/history?minutes=${minutes}`);
    if (minutes !== this.minutes) return;
    this.history = history;
    this.plots?.show(history);
  }

  append(now) {
    const history = this.history;
    const time = Date.parse(now.emission_time ?? now.time) / 1000;
    if (!history || !this.plots || !now.emission || !(time > (history.time.at(-1) ?? 0))) return;
    history.time.push(time);
    for (const name of COLUMNS) history[name].push(isNumber(now.emission[name]) ? now.emission[name] : null);
    while (history.time[0] < time - 60 * this.minutes) for (const column of Object.values(history)) column.shift();
    this.plots.show(history);
  }

  lost(error) {
    const since = this.heard === null ? "" : ` The numbers below are ${age((Date.now() - this.heard) / 1000)} old.`;
    banner(`Connection lost: ${error.message}.${since} Trying again each second.`);
  }

  show(now) {
    if (this.siteTime === null) {
      this.siteTime = new SiteTime(now.timezone);
      this.plots = new Plots(byId("plot-intensity"), byId("plot-power"), this.siteTime.zone);
    }
    document.title = `${grams(now.emission?.emission_intensity)} g/kWh · ${now.site}`;
    put("site", now.site);
    put("time", this.siteTime.full(now.time));
    byId("time").dateTime = now.time;
    put("zone-name", this.siteTime.zone);
    const simulated = isNumber(now.simulated_speed) && now.simulated_speed !== 1;
    byId("simulated").hidden = !simulated;
    if (simulated) put("simulated", `simulated time, ${Number(now.simulated_speed.toPrecision(3))}×`);
    this.hero(now);
    this.flow.show(flowsOf(now));
    this.devices(now.devices ?? []);
    this.sinks(now.sinks ?? []);
    this.events(now.events ?? []);
  }

  hero(now) {
    const emission = now.emission ?? {};
    const grid = now.grid ?? {};
    const site = emission.emission_intensity;
    const there = emission.grid_intensity ?? grid.intensity;
    put("intensity", grams(site));
    put("grid-intensity", grams(there));
    byId("intensity").classList.toggle("none", !isNumber(site));
    put("difference", isNumber(site) ? difference(site, there) : `No data — ${reason(now)}.`);
    const bar = byId("scale-site");
    bar.style.width = isNumber(site) && there > 0 ? `${Math.min(100, (100 * site) / there).toFixed(1)}%` : "0";
    bar.classList.toggle("above", site > there);
    put("rate", rate(emission.emission_rate));
    put("clean", share(emission.clean_share));
    put("own", share(emission.self_sufficiency));
    put("coverage", share(emission.coverage));
    put("source", dataSource(grid, emission));
  }

  devices(devices) {
    const alive = devices.filter((device) => device.state === "good").length;
    put("devices-count", devices.length ? `${alive} of ${devices.length} good` : "none configured");
    const rows = devices.flatMap((device) => {
      const row = document.createElement("tr");
      const state = document.createElement("td");
      state.append(badge(device.state));
      const value = isNumber(device.power) ? power(device.power) : NONE;
      const quality = device.state === "good" && device.quality && device.quality !== "good" ? ` (${device.quality})` : "";
      row.append(made("td", device.name), made("td", ROLES[device.role] ?? device.role), state, made("td", value + quality, "number"),
        made("td", age(device.age), "number"), made("td", device.driver, "wide muted"));
      if (!device.detail) return [row];
      const more = document.createElement("tr");
      const detail = made("td", device.detail, "detail");
      detail.colSpan = 6;
      more.append(detail);
      return [row, more];
    });
    byId("devices").replaceChildren(...rows);
  }

  sinks(sinks) {
    const rows = sinks.map((sink) => {
      const row = made("li", "");
      const pending = sink.pending > 0 ? `${count(sink.pending)} waiting on disk` : "all delivered";
      row.append(made("span", sink.name), badge(sink.state), made("span", pending, "muted end"));
      if (sink.detail) row.append(made("span", sink.detail, "muted what"));
      return row;
    });
    byId("sinks").replaceChildren(...(rows.length ? rows : [made("li", "No broker or database: everything stays in the local store.", "muted")]));
  }

  events(events) {
    const rows = events.slice(0, 20).map((event) => {
      const row = made("li", "");
      const time = made("time", this.siteTime.clock(event.time));
      time.dateTime = event.time;
      time.title = this.siteTime.full(event.time);
      const words = [event.device, event.event].filter(Boolean).join(": ");
      row.append(time, made("span", event.detail ? `${words} — ${event.detail}` : words, "what"));
      return row;
    });
    byId("events").replaceChildren(...(rows.length ? rows : [made("li", "Nothing happened since the start.", "muted")]));
  }
}

async function ask(path) {
  const answer = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) }).catch((error) => {
    throw new Error(error.name === "TimeoutError" ? "the gateway does not answer" : "the gateway cannot be reached");
  });
  if (answer.status === 401) throw new Error("the token is missing or was changed");
  if (!answer.ok) throw new Error(`the gateway answered ${answer.status}`);
  return answer.json();
}

function difference(site, grid) {
  if (!isNumber(grid) || grid <= 0) return "The grid's intensity is not known.";
  const percent = Math.round((100 * (site - grid)) / grid);
  if (percent === 0) return "The same as the grid.";
  return percent < 0 ? `${-percent} % cleaner than the grid` : `${percent} % more than the grid`;
}

function reason(now) {
  const meter = (now.devices ?? []).find((device) => device.role === "grid");
  if (!meter) return "there is no grid meter";
  if (meter.state === "waiting") return `waiting for the grid meter ${meter.name}`;
  if (meter.state !== "good") return `the grid meter ${meter.name} is ${meter.state}`;
  const emission = now.emission ?? {};
  if (!Object.keys(emission).length) return "waiting for the first balance";
  if (!isNumber(emission.load_power)) return "the balance of the site is undefined";
  if (emission.load_power <= 0) return "no power is used on the site";
  return "the intensity is undefined for this balance";
}

function dataSource(grid, emission) {
  const tier = emission.grid_tier ?? grid.tier;
  const old = emission.grid_age ?? grid.age;
  const words = [grid.zone, grid.source, isNumber(tier) ? `tier ${tier}: ${TIERS[tier] ?? "unknown"}` : "", grid.basis];
  if (isNumber(old)) words.push(old > 0 ? `${age(old)} old` : "valid now");
  return `Grid data: ${words.filter(Boolean).join(" · ") || "none"}`;
}

function badge(state) {
  return made("span", state, `state ${STATES[state] ?? "warn"}`);
}

function made(tag, text, names = "") {
  const element = document.createElement(tag);
  element.textContent = text;
  if (names) element.className = names;
  return element;
}

function banner(text) {
  put("banner", text);
  byId("banner").hidden = !text;
}

new Page().run();
