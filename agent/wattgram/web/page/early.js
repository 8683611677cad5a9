// Apply the stored colour scheme and language before the first paint; the default is the browser's setting.
"use strict";
{
  const stored = (name) => {
    try {
      return localStorage.getItem(`wattgram ${name}`);
    } catch {
      return null; // storage is disabled
    }
  };
  const root = document.documentElement;
  const scheme = stored("scheme");
  if (scheme === "light" || scheme === "dark") root.dataset.scheme = scheme;
  const language = stored("language") ?? navigator.language;
  root.lang = language.toLowerCase().startsWith("zh") ? "zh-Hans" : "en";
}
