// Receive the gateway's states from the event stream; poll /api/now every two seconds while the stream is unavailable.

import { t } from "./texts.js";

const POLL = 2000; // ms between two polls
const GRACE = 5000; // ms for the browser to reconnect a lost stream, before polling starts
const SILENCE = 20000; // ms without an event before the stream counts as lost; the gateway sends an event every 5 s
const REOPEN = 30000; // ms before a refused stream is opened again
const HIDDEN = 60000; // ms before a hidden page closes the stream
const TIMEOUT = 5000; // ms, timeout of a request

export class Live {
  // `received(state)` gets each state; `changed(mode, since, reason)` gets the connection's mode: "live", "polling" or "lost".
  constructor(received, changed) {
    this.received = received;
    this.changed = changed;
    this.mode = "";
    this.last = "";
    document.addEventListener("visibilitychange", () => this.#visibility());
    this.#open();
  }

  #open() {
    this.#close();
    this.source = new EventSource(`/api/stream${this.last ? `?after=${encodeURIComponent(this.last)}` : ""}`);
    this.source.addEventListener("state", (event) => this.#event(event));
    this.source.addEventListener("error", () => this.#error());
    this.#watch();
  }

  #close() {
    this.source?.close();
    for (const timer of [this.silence, this.grace, this.again]) clearTimeout(timer);
    this.grace = null;
  }

  #watch() {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => {
      this.#poll();
      this.#open();
    }, SILENCE);
  }

  #event(event) {
    this.last = event.lastEventId;
    clearTimeout(this.grace);
    this.grace = null;
    clearTimeout(this.polling);
    this.polling = null;
    this.#watch();
    this.received(JSON.parse(event.data));
    this.#become("live");
  }

  #error() {
    if (this.source.readyState === EventSource.CLOSED) {
      this.#poll(); // refused: the browser does not reconnect
      clearTimeout(this.again);
      this.again = setTimeout(() => this.#open(), REOPEN);
    } else {
      this.#become("lost", t("lost.stream"));
      this.grace ??= setTimeout(() => this.#poll(), GRACE);
    }
  }

  #poll() {
    if (this.polling) return;
    const poll = async () => {
      let state = null;
      let reason = "";
      try {
        state = await fetchJson("/api/now");
      } catch (error) {
        reason = error.message;
      }
      if (!this.polling) return; // the stream is back
      if (state) this.received(state);
      this.#become(state ? "polling" : "lost", reason);
      this.polling = setTimeout(poll, POLL);
    };
    this.polling = setTimeout(poll, 0);
  }

  #become(mode, reason = "") {
    if (this.mode === mode && this.reason === reason) return;
    if (this.mode !== mode) this.since = Date.now();
    this.mode = mode;
    this.reason = reason;
    this.changed(mode, this.since, reason);
  }

  #visibility() {
    clearTimeout(this.hidden);
    if (document.hidden) {
      this.hidden = setTimeout(() => {
        this.#close();
        clearTimeout(this.polling);
        this.polling = null;
        this.source = null;
      }, HIDDEN);
    } else if (!this.source) {
      this.#open();
    }
  }
}

// Fetch a JSON answer; throw an Error with a message for the reader otherwise.
export async function fetchJson(path) {
  const answer = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(TIMEOUT) }).catch((error) => {
    throw new Error(t(error.name === "TimeoutError" ? "lost.silent" : "lost.unreachable"));
  });
  if (answer.status === 401) throw new Error(t("lost.token"));
  if (!answer.ok) throw new Error(t("lost.status", { status: answer.status }));
  return answer.json();
}
