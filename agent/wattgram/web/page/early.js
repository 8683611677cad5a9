// Before anything is drawn: the colours and the language that were chosen here before. Without a choice the browser's.
"use strict";
{
  const remembered = (name) => {
    try {
      return localStorage.getItem(`wattgram ${name}`);
    } catch {
      return null; // storage is switched off
    }
  };
  const root = document.documentElement;
  const scheme = remembered("scheme");
  if (scheme === "light" || scheme === "dark") root.dataset.scheme = scheme;
  const language = remembered("language") ?? navigator.language;
  root.lang = language.toLowerCase().startsWith("zh") ? "zh-Hans" : "en";
}
