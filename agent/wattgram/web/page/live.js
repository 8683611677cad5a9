// The gateway's states as they come: a stream of events, and where that is not to be had a question every two seconds.

import { t } from "./texts.js";

const POLL = 2000; // ms between two questions without a stream
const GRACE = 5000; // ms that the browser may take to bring a lost stream back before we ask
const SILENCE = 20000; // ms without an event after which a stream is taken for dead; the gateway tells one each 5 s
const AGAIN = 30000; // ms after which a stream that was refused is tried anew
const HIDDEN = 60000; // ms after which a page that nobody sees stops listening
const PATIENCE = 5000; // ms for one answer

export class Live {
  // `shown(state)` gets each state, `changed(how, since, why)` how they come: "live", "polling" or "lost".
  constructor(shown, changed) {
    this.shown = shown;
    this.changed = changed;
    this.how = "";
    this.last = "";
    document.addEventListener("visibilitychange", () => this.#seen());
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
    this.shown(JSON.parse(event.data));
    this.#become("live");
  }

  #error() {
    if (this.source.readyState === EventSource.CLOSED) {
      this.#poll(); // refused: the browser will not try again
      clearTimeout(this.again);
      this.again = setTimeout(() => this.#open(), AGAIN);
    } else {
      this.#become("lost", t("lost.stream"));
      this.grace ??= setTimeout(() => this.#poll(), GRACE);
    }
  }

  #poll() {
    if (this.polling) return;
    const ask = async () => {
      let state = null;
      let why = "";
      try {
        state = await asked("/api/now");
      } catch (error) {
        why = error.message;
      }
      if (!this.polling) return; // the stream is back
      if (state) this.shown(state);
      this.#become(state ? "polling" : "lost", why);
      this.polling = setTimeout(ask, POLL);
    };
    this.polling = setTimeout(ask, 0);
  }

  #become(how, why = "") {
    if (this.how === how && this.why === why) return;
    if (this.how !== how) this.since = Date.now();
    this.how = how;
    this.why = why;
    this.changed(how, this.since, why);
  }

  #seen() {
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

// A JSON answer; an Error in words when there is none.
export async function asked(path) {
  const answer = await fetch(path, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) }).catch((error) => {
    throw new Error(t(error.name === "TimeoutError" ? "lost.silent" : "lost.unreachable"));
  });
  if (answer.status === 401) throw new Error(t("lost.token"));
  if (!answer.ok) throw new Error(t("lost.status", { status: answer.status }));
  return answer.json();
}
