// The section Data: sinks, grid data sources, local store, clock and events.

import { badge, fact, fill, made, put, quoted } from "./dom.js";
import { NONE, age, bytes, count, grams, isNumber, share } from "./format.js";
import { timed } from "./now.js";
import { t, word } from "./texts.js";

const SEVERITIES = { info: "none", warning: "warn", alarm: "bad" };

export function showDelivery(now, siteTime) {
  fill("sinks", rows((now.sinks ?? []).map(sinkRow), "sinks.local"));
  fill("grid-sources", rows((now.grid?.sources ?? []).map(sourceRow), "sources.table"));
  fill("events", rows((now.events ?? []).slice(0, 50).map((event) => eventRow(event, siteTime)), "events.none"));
  spool(now.spool ?? {}, now.seal);
  fill("clock-facts", [
    fact(t("clock.state"), word("clock", now.clock)), fact(t("clock.site"), siteTime.full(now.time)),
    fact(t("clock.zone"), siteTime.zone), fact(t("clock.tick"), isNumber(now.tick) ? age(now.tick) : NONE),
    fact(t("clock.uptime"), age(now.uptime)),
  ]);
}

function rows(items, none) {
  return items.length ? items : [made("li", t(none), "muted")];
}

function sinkRow(sink) {
  const row = made("li", "");
  const pending = sink.pending > 0 ? t("sinks.pending", { count: count(sink.pending) }) : t("sinks.done");
  row.append(made("strong", sink.name), badge(sink.state), made("span", pending, "muted end"));
  if (isNumber(sink.delivered)) row.append(made("span", t("sinks.delivered", { count: count(sink.delivered) }), "muted what"));
  if (sink.detail) row.append(quoted("span", sink.detail, "what"));
  return row;
}

function sourceRow(source) {
  const row = made("li", "");
  const value = isNumber(source.intensity) ? `${grams(source.intensity)} g/kWh` : NONE;
  row.append(made("strong", source.name), badge(source.state), made("span", value, "end"));
  if (source.detail) row.append(quoted("span", source.detail, "muted what"));
  return row;
}

function eventRow(event, siteTime) {
  const row = made("li", "");
  const words = [event.device, event.event].filter(Boolean).join(": ");
  row.append(timed(siteTime, event.time));
  if (event.severity) row.append(made("span", word("severity", event.severity), `state ${SEVERITIES[event.severity] ?? "none"}`));
  row.append(quoted("span", event.detail ? `${words} — ${event.detail}` : words, "what"));
  return row;
}

function spool(spool, seal) {
  const good = spool.state === "good";
  put("spool-state", good ? t("spool.good") : (spool.state ?? NONE));
  fill("spool-facts", [
    fact(t("spool.unsynced"), count(spool.unsynced)), fact(t("spool.lost"), count(spool.lost)),
    fact(t("spool.damaged"), count(spool.damaged)), fact(t("spool.refused"), count(spool.refused)),
    fact(t("spool.written"), bytes(spool.written)), fact(t("spool.size"), bytes(spool.max_size)),
    fact(t("spool.share"), share(spool.share)), fact(t("spool.keep"), age(spool.keep)),
    fact(t("spool.log"), bytes(spool.log_size)),
    fact(t("spool.sealed"), seal ? count(seal.size) : NONE), fact(t("spool.key"), seal?.key_id ?? NONE),
  ]);
  document.getElementById("spool-state").classList.toggle("alarm", !good);
}
