// The section Now: carbon intensity, power flow, and a summary of devices, delivery and events.

import { byId, made, put } from "./dom.js";
import { Flow } from "./flow.js";
import { age, grams, isNumber, rate, share } from "./format.js";
import { COMMA, t, word } from "./texts.js";
import { nodesOf, unknownOf } from "./wiring.js";

export class Now {
  constructor() {
    this.flow = new Flow(byId("flow-card"), byId("flow-totals"), byId("flow"), byId("flow-remark"));
  }

  show(now) {
    this.#hero(now);
    this.flow.show(now);
    const devices = now.devices ?? [];
    const sinks = now.sinks ?? [];
    const [event] = now.events ?? [];
    put("glance-devices", devices.length ? goodOf(devices) : t("devices.none"));
    const unavailable = sinks.filter((sink) => sink.state === "away").map((sink) => sink.name);
    put("glance-sinks", unavailable.length ? t("glance.away", { names: unavailable.join(COMMA) }) : t(sinks.length ? "sinks.good" : "sinks.none"));
    byId("glance-sinks").classList.toggle("alarm", unavailable.length > 0);
    byId("glance-devices").classList.toggle("alarm", devices.some((device) => device.state !== "good" && device.state !== "waiting"));
    put("glance-event", event ? [event.device, event.event].filter(Boolean).join(": ") : t("events.none"));
  }

  #hero(now) {
    const emission = now.emission ?? {};
    const grid = now.grid ?? {};
    const site = emission.emission_intensity;
    const gridIntensity = emission.grid_intensity ?? grid.intensity;
    put("intensity", grams(site));
    put("grid-intensity", grams(gridIntensity));
    byId("intensity").classList.toggle("none", !isNumber(site));
    put("difference", isNumber(site) ? difference(site, gridIntensity) : t("hero.none", { reason: reason(now) }));
    const bar = byId("scale-site");
    bar.style.width = isNumber(site) && gridIntensity > 0 ? `${Math.min(100, (100 * site) / gridIntensity).toFixed(1)}%` : "0";
    bar.classList.toggle("above", site > gridIntensity);
    put("rate", rate(emission.emission_rate));
    put("clean", share(emission.clean_share));
    put("own", share(emission.self_sufficiency));
    put("coverage", share(emission.coverage));
    put("source", gridData(grid, emission));
  }
}

export function goodOf(devices) {
  return t("devices.good", { good: devices.filter((device) => device.state === "good").length, all: devices.length });
}

function difference(site, grid) {
  if (!isNumber(grid) || grid <= 0) return t("hero.unknown");
  const percent = Math.round((100 * (site - grid)) / grid);
  if (percent === 0) return t("hero.same");
  return t(percent < 0 ? "hero.cleaner" : "hero.more", { percent: Math.abs(percent) });
}

function reason(now) {
  const meters = (now.devices ?? []).filter((device) => device.role === "grid");
  const meter = meters.find((device) => device.state !== "good") ?? meters[0];
  if (!meter) return t("reason.meter");
  if (meter.state === "waiting") return t("reason.waiting", { name: meter.name });
  if (meter.state !== "good") return t("reason.state", { name: meter.name, state: word("state", meter.state) });
  const emission = now.emission ?? {};
  if (!Object.keys(emission).length) return t("reason.first");
  const unknown = unknownOf(nodesOf(now));
  if (!isNumber(emission.load_power)) return unknown.length ? t("reason.unknown", { names: unknown.join(COMMA) }) : t("reason.balance");
  if (emission.load_power <= 0) return t("reason.load");
  return t("reason.other");
}

function gridData(grid, emission) {
  const tier = emission.grid_tier ?? grid.tier;
  const old = emission.grid_age ?? grid.age;
  const words = [grid.zone, grid.source, isNumber(tier) ? t("grid.tier", { tier, word: word("tier", tier) }) : "", word("basis", grid.basis)];
  if (isNumber(old)) words.push(old > 0 ? t("grid.old", { age: age(old) }) : t("grid.valid"));
  return t("grid.data", { words: words.filter(Boolean).join(" · ") || t("none") });
}

// The time of an event, with the full date as its title.
export function timed(siteTime, text) {
  const time = made("time", siteTime.clock(text));
  time.dateTime = text;
  time.title = siteTime.full(text);
  return time;
}
