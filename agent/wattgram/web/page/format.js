// Format numbers, durations and times. A missing number is "—".

import { LOCALE, t } from "./texts.js";

export const NONE = "—";

export const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

export function grams(value) {
  return isNumber(value) ? value.toFixed(Math.abs(value) < 99.5 ? 1 : 0) : NONE;
}

export function power(watts) {
  if (!isNumber(watts)) return NONE;
  if (Math.abs(watts) < 5) return "0 kW";
  const [value, unit] = Math.abs(watts) >= 9.995e5 ? [watts / 1e6, "MW"] : [watts / 1e3, "kW"];
  return `${value.toFixed(Math.abs(value) < 9.95 ? 2 : 1).replace("-", "\u2212")} ${unit}`;
}

export function rate(gramsPerHour) {
  if (!isNumber(gramsPerHour)) return NONE;
  if (Math.abs(gramsPerHour) >= 999500) return `${(gramsPerHour / 1e6).toFixed(2)} t/h`;
  return `${(gramsPerHour / 1e3).toFixed(1)} kg/h`;
}

// Factor and unit of an energy in Wh, of a mass in g.
export const energy = (value) => (Math.abs(value) >= 9.995e6 ? [1e-6, "MWh"] : [1e-3, "kWh"]);
export const mass = (value) => (Math.abs(value) >= 9.995e6 ? [1e-6, "t"] : [1e-3, "kg"]);

// Value, "±", uncertainty and unit. The uncertainty has two digits, the value as many decimals (JCGM 100:2008, 7.2.6).
export function withUncertainty(value, unsure, [factor, unit]) {
  const scaled = value * factor;
  if (!isNumber(unsure)) return `${grouped(scaled, Math.abs(scaled) < 9.95 ? 2 : Math.abs(scaled) < 99.5 ? 1 : 0)} ${unit}`;
  const decimals = Math.min(3, Math.max(0, 1 - Math.floor(Math.log10(unsure * factor))));
  return `${grouped(scaled, decimals)} ± ${grouped(Math.max(unsure * factor, 10 ** -decimals), decimals)} ${unit}`;
}

function grouped(number, decimals) {
  const digits = { minimumFractionDigits: decimals, maximumFractionDigits: decimals };
  return number.toLocaleString("en-GB", digits).replaceAll(",", "\u202f").replace("-", "\u2212");
}

export function share(value) {
  return isNumber(value) ? `${Math.round(value * 100)} %` : NONE;
}

export function count(value) {
  return isNumber(value) ? Math.round(value).toLocaleString("en-GB").replaceAll(",", "\u202f") : NONE;
}

export function age(seconds) {
  if (!isNumber(seconds)) return NONE;
  if (seconds < 10) return t("age.s", { n: Math.max(0, seconds).toFixed(1) });
  if (seconds < 120) return t("age.s", { n: Math.round(seconds) });
  if (seconds < 7200) return t("age.min", { n: Math.round(seconds / 60) });
  if (seconds < 172800) return t("age.h", { n: Math.round(seconds / 3600) });
  if (seconds < 63072000) return t("age.d", { n: Math.round(seconds / 86400) });
  return t("age.y", { n: (seconds / 31557600).toFixed(1) });
}

export function bytes(value) {
  if (!isNumber(value)) return NONE;
  const [size, unit] = [[2 ** 30, "GiB"], [2 ** 20, "MiB"], [2 ** 10, "KiB"]].find(([least]) => value >= least) ?? [1, "B"];
  return `${Number((value / size).toPrecision(3))} ${unit}`;
}

// A goal's value: four digits suffice for a comparison with the target.
export function number(value) {
  return isNumber(value) ? value.toLocaleString(LOCALE, { maximumSignificantDigits: 4 }) : NONE;
}

// Times in the site's zone; with an unknown or missing zone, in UTC (`zone` names the zone in use).
export class SiteTime {
  constructor(zone) {
    this.zone = "UTC";
    try {
      new Intl.DateTimeFormat("en-GB", { timeZone: zone });
      if (zone) this.zone = zone;
    } catch {
      // keep UTC
    }
    const options = { timeZone: this.zone, hourCycle: "h23" };
    const minute = { hour: "2-digit", minute: "2-digit" };
    this.minuteFormat = new Intl.DateTimeFormat(LOCALE, { ...options, ...minute });
    this.dateFormat = new Intl.DateTimeFormat(LOCALE, { ...options, weekday: "short", day: "numeric", month: "short" });
    const clock = { hour: "2-digit", minute: "2-digit", second: "2-digit" };
    this.clockFormat = new Intl.DateTimeFormat(LOCALE, { ...options, ...clock });
    this.dayFormat = new Intl.DateTimeFormat(LOCALE, { ...options, weekday: "short", day: "numeric", month: "short", year: "numeric" });
  }

  clock(text) {
    const time = new Date(text);
    return Number.isNaN(time.getTime()) ? NONE : this.clockFormat.format(time);
  }

  minute(text) {
    return this.minuteFormat.format(new Date(text));
  }

  day(text) {
    return this.dateFormat.format(new Date(text));
  }

  full(text) {
    const time = new Date(text);
    return Number.isNaN(time.getTime()) ? NONE : `${this.dayFormat.format(time)}${LOCALE === "zh-CN" ? " " : ", "}${this.clockFormat.format(time)}`;
  }
}
