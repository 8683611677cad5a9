// Texts in the page's language. A missing key is shown as the key itself.

import en from "./en.js";
import zh from "./zh.js";

const texts = document.documentElement.lang === "zh-Hans" ? zh : en;

export const LOCALE = document.documentElement.lang === "zh-Hans" ? "zh-CN" : "en-GB";

// Separator of a list, as the language writes it.
export const COMMA = LOCALE === "zh-CN" ? "，" : ", ";

// The text of a key with {name}s filled in.
export function t(key, values = {}) {
  return (texts[key] ?? key).replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

// The text of a word of the gateway; the word itself if the page has no text for it.
export function word(group, value) {
  return texts[`${group}.${value}`] ?? String(value ?? "");
}

// Fill in the document's texts: data-text gives the content, data-label the aria-label.
export function translate(root) {
  for (const element of root.querySelectorAll("[data-text]")) element.textContent = t(element.dataset.text);
  for (const element of root.querySelectorAll("[data-label]")) element.setAttribute("aria-label", t(element.dataset.label));
}
