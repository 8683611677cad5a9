// The last results with their uncertainties: the last quarter of an hour, today, yesterday.

import { byId, fact, fill, made } from "./dom.js";
import { NONE, energy, isNumber, mass, share, withUncertainty } from "./format.js";
import { fetchJson } from "./live.js";
import { t } from "./texts.js";

const NUMBERS = [["load_energy", "results.load", energy], ["emission", "results.emission", mass], ["emission_intensity", "results.intensity", null]];
const INTENSITY = [1, "g/kWh"];

// `siteTime` formats times in the site's zone.
export async function fetchResults(siteTime) {
  if (!siteTime) return;
  try {
    const results = await fetchJson("/api/results");
    fill("results", results.length ? results.map((result) => row(result, siteTime)) : [made("li", t("results.none"), "muted")]);
    const bases = results.map((result) => result.uncertainty_basis).filter(Boolean);
    const note = bases.includes("assumed") ? "results.assumed" : "results.stated";
    byId("results-note").textContent = bases.length ? t(note) : "";
  } catch (error) {
    fill("results", [made("li", t("results.failed", { reason: error.message }), "muted")]);
    byId("results-note").textContent = "";
  }
}

function row(result, siteTime) {
  const item = document.createElement("li");
  const head = made("h3", t(`results.${result.period}`));
  const ends = { from: siteTime.minute(result.start), to: siteTime.minute(result.end) };
  const times = result.period === "yesterday" ? siteTime.day(result.start) : t("results.span", ends);
  head.append(made("span", times, "muted"));
  const numbers = document.createElement("dl");
  for (const [name, key, scale] of NUMBERS) {
    const value = result[name];
    const unsure = result[`${name}_uncertainty`];
    const number = fact(t(key), isNumber(value) ? withUncertainty(value, unsure, scale ? scale(value) : INTENSITY) : NONE);
    if (isNumber(unsure)) number.title = t(`results.${result.uncertainty_basis}`);
    numbers.append(number);
  }
  if (result.coverage < 0.995) numbers.append(fact(t("hero.coverage"), share(result.coverage)));
  item.append(head, numbers);
  return item;
}
