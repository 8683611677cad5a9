// The power flow of the site as it is wired: a tree below the busbar. Streams move in the direction of the power.

import { made } from "./dom.js";
import { isNumber, power } from "./format.js";
import { COMMA, t } from "./texts.js";
import { nodesOf, totalsOf, unknownOf } from "./wiring.js";

const SVG = "http://www.w3.org/2000/svg";

// Icons are 24 x 24.
const ICONS = {
  grid: "M12 2 6 22M12 2l6 20M4 8h16M7.5 15h9M8 8l8 7M16 8l-8 7",
  pv: "M12 7a5 5 0 1 0 .01 0M12 1v2.5M12 20.5V23M1 12h2.5M20.5 12H23M4.2 4.2 6 6M18 18l1.8 1.8M19.8 4.2 18 6M6 18l-1.8 1.8",
  generator: "M3 17V9h4l3-3h8v11zM18 10h3v5h-3M9 13h5",
  battery: "M2.5 7.5h16v9h-16zM21 10.5v3M6 10.5v3M9.5 10.5v3M13 10.5v3",
  hybrid: "M3.5 3.5h17v17h-17zM20.5 3.5l-17 17M6 8.5h5M14 15.5c1-2 2-2 2.5 0s1.5 2 2.5 0",
  load: "M2.5 21V10l6 4v-4l6 4V3.5h4.5L21 21zM7 17.5h2M12 17.5h2",
  ev: "M4 17v-5l2.2-5h9.6L19 12l2 1v4zM4 12h15M7.5 17.2a1.8 1.8 0 1 0 .01 0M16.5 17.2a1.8 1.8 0 1 0 .01 0",
};
const THRESHOLD = 50; // W, the least power that is drawn as a stream
const DENSE = 16; // rows from which on the rows are low
const LARGE = 7; // rows from which on the card is as wide as the page
const DEEPEST = 3; // levels with the full indent
const WHOLE = 9; // rows of a branch that no column breaks

export class Flow {
  constructor(card, totals, tree, remark) {
    Object.assign(this, { card, totals, tree, remark });
    this.structure = "";
  }

  show(now) {
    const nodes = nodesOf(now);
    const structure = JSON.stringify(nodes.map(({ name, kind, above }) => [name, kind, above]));
    if (structure !== this.structure) this.#build(nodes);
    this.structure = structure;
    const largest = Math.max(1, ...nodes.map((node) => Math.abs(node.watts ?? 0)));
    this.tree.classList.toggle("apart", now.grid?.netting === "connection");
    nodes.forEach((node, index) => update(this.rows[index], node, largest));
    const totals = totalsOf(now, nodes);
    if (totals.map(({ kind }) => kind).join() !== [...this.totals.children].map((child) => child.className).join()) {
      this.totals.replaceChildren(...totals.map(total));
    }
    totals.forEach(({ watts, note }, index) => {
      const [, value, words] = this.totals.children[index].children;
      set(value, power(isNumber(watts) ? Math.abs(watts) : null));
      set(words, note);
    });
    set(this.remark, remarkOf(now, nodes));
  }

  #build(nodes) {
    const children = new Map();
    for (const node of nodes) children.set(node.above, [...(children.get(node.above) ?? []), node]);
    const rows = new Map();
    const branch = (above, depth, chosen = children.get(above) ?? []) => {
      const list = made("ul", "", depth > DEEPEST ? "branch level" : "branch");
      for (const node of chosen) {
        const item = row(node);
        rows.set(node, item);
        if (children.has(node.id)) item.element.append(branch(node.id, depth + 1));
        if (item.element.querySelectorAll("li").length < WHOLE) item.element.classList.add("whole");
        list.append(item.element);
      }
      return list;
    };
    const top = children.get("") ?? [];
    const sides = [top.filter((node) => !node.consumer), top.filter((node) => node.consumer)];
    this.tree.replaceChildren();
    for (const side of sides.filter((nodes) => nodes.length)) {
      const list = branch("", 0, side);
      list.style.flexGrow = list.querySelectorAll("li").length + side.length;
      this.tree.append(list);
    }
    this.rows = nodes.map((node) => rows.get(node));
    this.tree.classList.toggle("dense", nodes.length >= DENSE);
    this.card.parentElement.classList.toggle("large", nodes.length >= LARGE);
  }
}

function row({ kind }) {
  const element = made("li", "", kind);
  const line = made("div", "", "node");
  const link = made("span", "", "link");
  const pipe = made("span", "", "pipe");
  const disc = icon(kind);
  const name = made("bdi", "", "name");
  const watts = made("span", "", "watts");
  const note = made("span", "", "note");
  link.setAttribute("aria-hidden", "true");
  pipe.append(made("span", "", "stream"));
  link.append(pipe, made("span", "", "arrow"));
  line.append(link, disc, name, watts, note);
  element.append(line);
  return { element, link, pipe, name, watts, note };
}

function update({ element, link, pipe, name, watts, note }, node, largest) {
  const moving = isNumber(node.watts) && Math.abs(node.watts) >= THRESHOLD;
  const inwards = node.consumer ? node.watts < 0 : node.watts > 0;
  const state = moving ? (inwards ? "in" : "out") : isNumber(node.watts) ? "still" : "unknown";
  if (link.dataset.flow !== state) link.dataset.flow = state;
  const width = moving ? 3 + Math.round(4 * Math.min(1, Math.abs(node.watts) / largest)) : 3;
  if (pipe.style.height !== `${width}px`) pipe.style.height = `${width}px`;
  element.classList.toggle("asleep", node.asleep);
  element.classList.toggle("faulty", node.faulty);
  set(name, node.label);
  set(watts, node.asleep ? t("flow.asleep") : power(isNumber(node.watts) ? Math.abs(node.watts) : null));
  set(note, node.notes.filter(Boolean).join(" · "));
}

// Why the load of the site is unknown: the sources and sinks whose flows are.
function remarkOf(now, nodes) {
  if (!nodes.length) return t("waiting");
  if (isNumber(now.emission?.load_power)) return "";
  const unknown = unknownOf(nodes);
  return unknown.length ? t("flow.unknownLoad", { names: unknown.join(COMMA) }) : t("flow.noLoad");
}

function total({ kind }) {
  const element = made("div", "", kind);
  element.append(made("dt", t(`flow.${kind}`)), made("dd", "", "watts"), made("dd", "", "note"));
  return element;
}

function icon(kind) {
  const svg = document.createElementNS(SVG, "svg");
  const path = document.createElementNS(SVG, "path");
  svg.setAttribute("viewBox", "-4 -4 32 32");
  svg.setAttribute("class", "disc");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", t(`flow.${kind}`));
  path.setAttribute("d", ICONS[kind]);
  svg.append(path);
  return svg;
}

function set(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
