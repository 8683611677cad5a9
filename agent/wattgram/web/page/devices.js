// The section Devices: devices and their buses.

import { badge, fill, made, put, quoted } from "./dom.js";
import { NONE, age, count, isNumber, power, share } from "./format.js";
import { goodOf } from "./now.js";
import { t, word } from "./texts.js";

export function showDevices(now) {
  const devices = now.devices ?? [];
  put("devices-count", devices.length ? goodOf(devices) : t("devices.none"));
  fill("devices", wired(devices).flatMap(({ device, depth }) => deviceRows(device, depth)));
  fill("buses", (now.buses ?? []).map(busRow));
}

// The devices in the order of the wiring: each below the device that contains its flow.
function wired(devices) {
  const rows = [];
  const names = new Set(devices.map((device) => device.name));
  const above = (device) => (device.behind ?? []).find((name) => names.has(name));
  const add = (device, depth) => {
    rows.push({ device, depth });
    devices.filter((other) => above(other) === device.name).forEach((other) => add(other, depth + 1));
  };
  devices.filter((device) => !above(device)).forEach((device) => add(device, 0));
  return rows;
}

function deviceRows(device, depth) {
  const row = document.createElement("tr");
  const state = document.createElement("td");
  state.append(badge(device.state));
  const name = made("th", device.name);
  name.scope = "row";
  if (depth) name.classList.add("behind", `depth-${Math.min(depth, 4)}`);
  row.append(
    name, made("td", word("role", device.role)), state, made("td", word("quality", device.quality), "wide"),
    made("td", isNumber(device.power) ? power(device.power) : NONE, "number"), made("td", age(device.age), "number"),
    made("td", isNumber(device.unit) ? `${device.bus} · ${device.unit}` : NONE, "wider muted"), made("td", device.driver, "wider muted"),
  );
  return [row, ...remarks(device)];
}

// What is wrong with a device: its last error, missing quantities, withheld values and findings.
function remarks(device) {
  const missing = device.missing ?? [];
  const texts = [
    device.detail,
    missing.length ? t("devices.missing", { names: missing.join(", ") }) : "",
    ...(device.withheld ?? []).slice(0, 3).map((text) => t("devices.withheld", { text })),
    ...(device.findings ?? []).slice(0, 3),
  ];
  return texts.filter(Boolean).map((text) => {
    const row = document.createElement("tr");
    const cell = quoted("td", text, "detail");
    cell.colSpan = 8;
    row.append(cell);
    return row;
  });
}

function busRow(bus) {
  const row = document.createElement("tr");
  const name = made("th", bus.url);
  name.scope = "row";
  const free = isNumber(bus.busy_share) ? 1 - bus.busy_share : null;
  const headroom = made("td", share(free), `number${free !== null && free < 0.1 ? " alarm" : ""}`);
  row.append(name, headroom, made("td", count(bus.requests), "number"), made("td", count(bus.failures), "number"));
  return row;
}
