// Elements of the page. Received values become text, never markup.

import { word } from "./texts.js";

const KINDS = {
  good: "good", online: "good", "on track": "good", stale: "warn", frozen: "warn", unset: "warn", waiting: "none",
  lost: "bad", away: "bad", "off track": "bad", "not enough data": "hollow", "context only": "dash", "manual entry": "hand",
};

export const byId = (id) => document.getElementById(id);

export function put(id, text) {
  const element = byId(id);
  if (element.textContent !== text) element.textContent = text;
}

export function made(tag, text, names = "") {
  const element = document.createElement(tag);
  element.textContent = text;
  if (names) element.className = names;
  return element;
}

// A text of the gateway, which is always in English.
export function quoted(tag, text, names = "") {
  const element = made(tag, text, names);
  element.lang = "en";
  return element;
}

// A state as word, colour and shape.
export function badge(state) {
  return made("span", word("state", state), `state ${KINDS[state] ?? "warn"}`);
}

// Name and value as a row of a <dl>.
export function fact(name, value) {
  const row = document.createElement("div");
  row.append(made("dt", name), made("dd", value));
  return row;
}

// Replace changed rows only, so that the reader's selection and scroll position remain.
export function fill(id, rows) {
  const parent = byId(id);
  const old = [...parent.children];
  if (old.length === rows.length && rows.every((row, i) => row.isEqualNode(old[i]))) return;
  if (old.length !== rows.length) return void parent.replaceChildren(...rows);
  rows.forEach((row, i) => row.isEqualNode(old[i]) || old[i].replaceWith(row));
}
