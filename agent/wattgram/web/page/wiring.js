// The nodes of the power flow, from a state of /api/now.

import { age, isNumber, power, share } from "./format.js";
import { t, word } from "./texts.js";

const KINDS = { wind: "generator", hydro: "generator", genset: "generator", chp: "generator" };
const CONSUMERS = ["load", "ev"];
const LOUD = 50; // W, from which on a direction has a word

// Node: id, above (id, "" for the busbar), kind, consumer, part (of a hybrid), label, watts in the role's direction (null: unknown),
// asleep, faulty (unknown, or something is wrong), notes.
export function nodesOf(now) {
  const wiring = now.wiring ?? [];
  const devices = new Map((now.devices ?? []).map((device) => [device.name, device]));
  const flows = new Map(wiring.map((flow) => [flow.name, flow]));
  const nodes = wiring.map((flow) => {
    const hybrid = flows.get(flow.behind)?.role === "hybrid" && !CONSUMERS.includes(flow.role) ? flows.get(flow.behind) : null;
    const watts = isNumber(flow.power) ? flow.power : null;
    return {
      id: flow.name,
      above: reachesBusbar(flow, flows) ? flow.behind : "",
      kind: KINDS[flow.role] ?? flow.role,
      role: flow.role,
      consumer: CONSUMERS.includes(flow.role),
      part: hybrid !== null,
      label: labelOf(flow, hybrid),
      watts,
      asleep: flow.basis === "asleep",
      faulty: watts === null || Boolean(flow.reason),
      notes: notesOf(flow, hybrid, devices.get(flow.devices[0])),
    };
  });
  return nodes.length ? [...nodes, restOf(now.emission ?? {}, nodes)] : nodes;
}

// Labels of the sources and sinks whose flows leave the load unknown: a hybrid is known by its terminal.
export function unknownOf(nodes) {
  return nodes.filter((node) => !node.consumer && !node.part && node.watts === null).map((node) => node.label);
}

// Totals beside the busbar: the load, and each kind whose total is not the flow of a single node.
export function totalsOf(now, nodes) {
  const balance = now.emission ?? {};
  const net = (gain, loss) => (isNumber(gain) && isNumber(loss) ? gain - loss : null);
  const both = balance.grid_import_power >= LOUD && balance.grid_export_power >= LOUD; // of incomers that nothing joins
  const grid = both ? balance.grid_import_power : net(balance.grid_import_power, balance.grid_export_power);
  const exported = both ? t("flow.both", { power: power(balance.grid_export_power) }) : "";
  const battery = net(balance.battery_discharge_power, balance.battery_charge_power);
  const several = (kind) => {
    const found = nodes.filter((node) => node.kind === kind);
    return found.length > 1 || found.some((node) => node.above !== "");
  };
  return [
    { kind: "used", watts: balance.load_power, note: "" },
    { kind: "grid", watts: grid, note: exported || direction(grid, "flow.imported", "flow.exported") },
    { kind: "pv", watts: balance.pv_power, note: "" },
    { kind: "generator", watts: balance.generation_power, note: "" },
    { kind: "battery", watts: battery, note: direction(battery, "flow.discharging", "flow.charging") },
  ].filter(({ kind }) => kind === "used" || several(kind));
}

// Whether the way up from a flow ends at the busbar, so that its branch can be drawn.
function reachesBusbar(flow, flows) {
  const seen = new Set();
  let at = flow;
  while (at?.behind && !seen.has(at)) {
    seen.add(at);
    at = flows.get(at.behind);
  }
  return at !== undefined && !at.behind;
}

function labelOf(flow, hybrid) {
  if (!hybrid) return flow.name;
  if (flow.role === "pv") return hybrid.devices.length > 1 ? t("flow.stringsOf", { name: flow.devices[0] }) : t("flow.strings");
  return flow.devices[0] === flow.name ? flow.name : t("flow.battery");
}

function notesOf(flow, hybrid, device) {
  const port = (key, watts) => (isNumber(watts) ? t(key, { power: power(watts) }) : "");
  const words = {
    grid: direction(flow.power, "flow.imported", "flow.exported"),
    battery: direction(flow.power, "flow.discharging", "flow.charging"),
    hybrid: t(flow.power <= -LOUD ? "flow.taking" : "flow.hybrid"),
  };
  return [
    flow.reason ? why(flow, device) : "",
    words[flow.role] ?? (flow.power <= -LOUD ? t("flow.feeding") : ""),
    isNumber(flow.soc) ? t("flow.full", { share: share(flow.soc) }).replaceAll(" ", "\u00a0") : "",
    port("flow.gridPort", flow.grid_port),
    port("flow.backup", flow.backup),
    hybrid && isNumber(flow.power) ? t("flow.dc") : "",
    flow.basis === "counted" || flow.basis === "computed" ? t(`flow.${flow.basis}`) : "",
  ];
}

function why(flow, device) {
  if (device?.state === "waiting") return t("flow.waiting");
  if (flow.reason === "no reading" && isNumber(device?.age)) return t("flow.silent", { age: age(device.age) });
  if (flow.reason === "no power" && device?.state === "implausible") return word("quality", "implausible");
  return word("flow.why", flow.reason);
}

// What the sub-meters leave of the load; without sub-meters, the load.
function restOf(balance, nodes) {
  const metered = nodes.some((node) => node.consumer);
  const known = isNumber(balance.load_power);
  const rest = metered ? -balance.residual_power : balance.load_power;
  const watts = known && isNumber(rest) ? rest : null;
  const excess = watts !== null && watts <= -LOUD;
  const reason = excess ? t("flow.excess", { power: power(-watts) }) : known ? t("flow.unknownMeter") : t("flow.unknownRest");
  return {
    id: " rest",
    above: "",
    kind: "load",
    role: "rest",
    consumer: true,
    label: t(metered ? "flow.rest" : "flow.load"),
    watts: excess ? null : watts === null ? null : Math.max(0, watts),
    asleep: false,
    faulty: excess || watts === null,
    notes: [excess || watts === null ? reason : ""],
  };
}

function direction(watts, positive, negative) {
  return !isNumber(watts) || Math.abs(watts) < LOUD ? "" : t(watts > 0 ? positive : negative);
}
