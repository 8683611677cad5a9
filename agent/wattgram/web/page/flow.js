// The power flow diagram in SVG. Streams move in the direction of the power.

import { isNumber, power, share } from "./format.js";
import { COMMA, t } from "./texts.js";

const SVG = "http://www.w3.org/2000/svg";

// Icons are 24 x 24.
const NODES = {
  grid: "M12 2 6 22M12 2l6 20M4 8h16M7.5 15h9M8 8l8 7M16 8l-8 7",
  pv: "M12 7a5 5 0 1 0 .01 0M12 1v2.5M12 20.5V23M1 12h2.5M20.5 12H23M4.2 4.2 6 6M18 18l1.8 1.8M19.8 4.2 18 6M6 18l-1.8 1.8",
  generator: "M3 17V9h4l3-3h8v11zM18 10h3v5h-3M9 13h5",
  battery: "M2.5 7.5h16v9h-16zM21 10.5v3M6 10.5v3M9.5 10.5v3M13 10.5v3",
  load: "M2.5 21V10l6 4v-4l6 4V3.5h4.5L21 21zM7 17.5h2M12 17.5h2",
  ev: "M4 17v-5l2.2-5h9.6L19 12l2 1v4zM4 12h15M7.5 17.2a1.8 1.8 0 1 0 .01 0M16.5 17.2a1.8 1.8 0 1 0 .01 0",
};

// Position of each node, and of its texts: beside, below, or around (name above, values below).
const WIDE = {
  box: "-70 8 800 290", hub: [320, 152], words: { pv: "beside", generator: "beside", battery: "beside", ev: "beside", grid: "around", load: "around" },
  at: { grid: [20, 152], pv: [320, 42], generator: [90, 42], battery: [320, 262], load: [630, 152], ev: [555, 262] },
};
const NARROW = {
  box: "0 6 360 338", hub: [180, 146],
  words: { pv: "beside", generator: "beside", battery: "below", ev: "below", grid: "below", load: "below" },
  at: { grid: [50, 146], pv: [206, 40], generator: [44, 40], battery: [112, 262], load: [304, 146], ev: [248, 262] },
};
const RADIUS = 27;
const THRESHOLD = 50; // W, the least power that is drawn as a stream

export class Flow {
  constructor(svg, text) {
    this.text = text;
    this.svg = svg;
    this.layer = make("g", {}, svg);
    const narrow = matchMedia("(max-width: 520px)");
    this.#lay(narrow.matches ? NARROW : WIDE);
    narrow.addEventListener("change", () => this.#lay(narrow.matches ? NARROW : WIDE));
  }

  #lay(plan) {
    this.svg.setAttribute("viewBox", plan.box);
    this.layer.replaceChildren();
    this.nodes = {};
    for (const kind of Object.keys(NODES)) this.nodes[kind] = this.#node(kind, plan);
    make("circle", { cx: plan.hub[0], cy: plan.hub[1], r: 8, class: "hub" }, this.layer);
    if (this.flows) this.show(this.flows);
  }

  // `flows`: kind -> {watts (towards the site's hub positive), shown, note}
  show(flows) {
    this.flows = flows;
    const sentences = [];
    for (const [kind, parts] of Object.entries(this.nodes)) {
      const { watts, shown, note } = flows[kind];
      parts.group.classList.toggle("still", !shown);
      if (!shown) continue;
      const available = isNumber(watts);
      const moving = available && Math.abs(watts) >= THRESHOLD;
      const inward = moving && watts > 0;
      parts.watts.textContent = available ? power(Math.abs(watts)) : t("flow.nodata");
      parts.note.textContent = note ?? "";
      parts.stream.classList.toggle("still", !moving);
      parts.stream.classList.toggle("back", !inward);
      parts.head.classList.toggle("still", !moving);
      if (moving) {
        const width = 3 + 4 * Math.min(1, Math.abs(watts) / Math.max(1, flows.largest));
        parts.stream.setAttribute("stroke-width", width.toFixed(1));
        const angle = parts.angle + (inward ? 0 : 180);
        parts.head.setAttribute("transform", `translate(${parts.middle}) rotate(${angle})`);
      }
      const words = { name: t(`flow.${kind}`), power: parts.watts.textContent, note };
      sentences.push(t(note ? "flow.sentenceNote" : "flow.sentence", words));
    }
    this.text.textContent = sentences.join(" ");
  }

  #node(kind, plan) {
    const icon = NODES[kind];
    const group = make("g", { class: "still" }, this.layer);
    const [x, y] = plan.at[kind];
    const [dx, dy] = [plan.hub[0] - x, plan.hub[1] - y];
    const length = Math.hypot(dx, dy);
    const from = [x + (dx / length) * (RADIUS + 6), y + (dy / length) * (RADIUS + 6)];
    const to = [plan.hub[0] - (dx / length) * 15, plan.hub[1] - (dy / length) * 15];
    const line = `M${from[0].toFixed(1)} ${from[1].toFixed(1)}L${to[0].toFixed(1)} ${to[1].toFixed(1)}`;
    make("path", { d: line, class: "pipe" }, group);
    const stream = make("path", { d: line, class: `stream ${kind} still` }, group);
    const head = make("path", { d: "M11 0-6-6.5v13z", class: `head ${kind} still` }, group);
    make("circle", { cx: x, cy: y, r: RADIUS, class: `disc ${kind}` }, group);
    make("path", { d: icon, class: `icon ${kind}`, transform: `translate(${x - 14.4} ${y - 14.4}) scale(1.2)` }, group);
    const [column, [nameAt, wattsAt, noteAt]] = placed(plan.words[kind], x);
    make("text", { ...column, y: y + nameAt, class: "name" }, group).textContent = t(`flow.${kind}`);
    return {
      group, stream, head,
      watts: make("text", { ...column, y: y + wattsAt, class: "watts" }, group),
      note: make("text", { ...column, y: y + noteAt, class: "note" }, group),
      middle: `${((from[0] + to[0]) / 2).toFixed(1)} ${((from[1] + to[1]) / 2).toFixed(1)}`,
      angle: (Math.atan2(dy, dx) * 180) / Math.PI,
    };
  }
}

// The diagram's flows, from a state of /api/now.
export function flowsOf(now) {
  const balance = now.emission ?? {};
  const devices = now.devices ?? [];
  const has = (...roles) => devices.some((device) => roles.includes(device.role));
  const vehicles = devices.filter((device) => device.role === "ev");
  const charging = vehicles.every((device) => isNumber(device.power))
    ? vehicles.reduce((sum, device) => sum + device.power, 0)
    : null;
  const used = isNumber(balance.load_power) ? balance.load_power - (charging ?? 0) : null;
  const net = (gain, loss) => (isNumber(gain) && isNumber(loss) ? gain - loss : null);
  const grid = net(balance.grid_import_power, balance.grid_export_power);
  const battery = net(balance.battery_discharge_power, balance.battery_charge_power);
  const direction = (watts, positive, negative) =>
    !isNumber(watts) || Math.abs(watts) < THRESHOLD ? "" : watts > 0 ? positive : negative;
  const levels = devices.filter((device) => device.role === "battery" && isNumber(device.soc)).map((device) => device.soc);
  const charge = levels.length ? t("flow.full", { share: share(levels.reduce((sum, soc) => sum + soc, 0) / levels.length) }) : "";
  const flows = {
    grid: { watts: grid, shown: true, note: direction(grid, t("flow.imported"), t("flow.exported")) },
    pv: { watts: balance.pv_power, shown: has("pv") || balance.pv_power > 0, note: "" },
    generator: { watts: balance.generation_power, shown: has("wind", "hydro", "genset", "chp"), note: "" },
    battery: {
      watts: battery,
      shown: has("battery") || Math.abs(battery ?? 0) >= THRESHOLD,
      note: [direction(battery, t("flow.discharging"), t("flow.charging")), charge].filter(Boolean).join(COMMA),
    },
    load: { watts: isNumber(used) ? -used : null, shown: true, note: charging > THRESHOLD ? t("flow.without") : "" },
    ev: { watts: charging === null ? null : -charging, shown: vehicles.length > 0, note: "" },
  };
  const sizes = Object.values(flows).map((flow) => Math.abs(flow.watts ?? 0));
  return { ...flows, largest: Math.max(...sizes) };
}

// Column of a node's texts, and the offsets of name, watts and note below the node's centre.
function placed(words, x) {
  if (words === "beside") return [{ x: x + RADIUS + 11 }, [-9, 11, 27]];
  const below = words === "below";
  return [{ x, "text-anchor": "middle" }, below ? [44, 62, 78] : [-38, 50, 68]];
}

function make(tag, attributes, parent) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  parent.append(element);
  return element;
}
