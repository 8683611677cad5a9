// Words in the page's language. A key that is missing shows itself.

import en from "./en.js";
import zh from "./zh.js";

const texts = document.documentElement.lang === "zh-Hans" ? zh : en;

export const LOCALE = document.documentElement.lang === "zh-Hans" ? "zh-CN" : "en-GB";

// The text of a key with {name}s filled in.
export function t(key, values = {}) {
  return (texts[key] ?? key).replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

// The text of a word that the gateway says, itself where we have none.
export function word(group, value) {
  return texts[`${group}.${value}`] ?? String(value ?? "");
}

// Fill in what the document holds: data-text for words, data-label for aria-label.
export function translate(root) {
  for (const one of root.querySelectorAll("[data-text]")) one.textContent = t(one.dataset.text);
  for (const one of root.querySelectorAll("[data-label]")) one.setAttribute("aria-label", t(one.dataset.label));
}
