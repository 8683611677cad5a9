// The two switches, language and colours; what is chosen is remembered by this browser.

import { t } from "./texts.js";
import { byId } from "./dom.js";

const SCHEMES = ["auto", "light", "dark"];

const root = document.documentElement;
const remember = (name, value) => {
  try {
    localStorage.setItem(`wattgram ${name}`, value);
  } catch {
    // storage is switched off: the choice holds until the page is left
  }
};

// `changed` is called after the colours are others.
export function offerChoices(changed) {
  const language = byId("language");
  language.value = root.lang;
  language.addEventListener("change", () => {
    remember("language", language.value);
    location.reload();
  });
  const scheme = byId("scheme");
  for (const name of SCHEMES) scheme.add(new Option(t(`scheme.${name}`), name));
  scheme.value = root.dataset.scheme ?? "auto";
  scheme.addEventListener("change", () => {
    remember("scheme", scheme.value);
    if (scheme.value === "auto") delete root.dataset.scheme;
    else root.dataset.scheme = scheme.value;
    changed();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
}
