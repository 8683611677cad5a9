// The switches for language and colour scheme; the browser stores the choice.

import { t } from "./texts.js";
import { byId } from "./dom.js";

const SCHEMES = ["auto", "light", "dark"];

const root = document.documentElement;
const store = (name, value) => {
  try {
    localStorage.setItem(`wattgram ${name}`, value);
  } catch {
    // storage is disabled: the choice applies until the page is closed
  }
};

// `changed` is called after a change of the colour scheme.
export function offerChoices(changed) {
  const language = byId("language");
  language.value = root.lang;
  language.addEventListener("change", () => {
    store("language", language.value);
    location.reload();
  });
  const scheme = byId("scheme");
  for (const name of SCHEMES) scheme.add(new Option(t(`scheme.${name}`), name));
  scheme.value = root.dataset.scheme ?? "auto";
  scheme.addEventListener("change", () => {
    store("scheme", scheme.value);
    if (scheme.value === "auto") delete root.dataset.scheme;
    else root.dataset.scheme = scheme.value;
    changed();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
}
