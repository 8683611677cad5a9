// The section Goals: a card for each claim, grouped by article.

import { badge, byId, made, put, quoted } from "./dom.js";
import { isNumber, number, share } from "./format.js";
import { fetchJson } from "./live.js";
import { LOCALE, t, word } from "./texts.js";

const LANGUAGE = LOCALE.slice(0, 2);
const STATES = ["on track", "off track", "not enough data", "manual entry", "context only"];

// `siteTime` formats times in the site's zone.
export async function fetchGoals(siteTime) {
  try {
    showGoals(await fetchJson("/api/goals"), siteTime);
  } catch (error) {
    put("goals-counts", t("goals.failed", { reason: error.message }));
  }
}

function showGoals(found, siteTime) {
  const cards = found.map((goal) => ({ ...goal, ...goal.texts?.[LANGUAGE] }));
  const counts = STATES.map((state) => [state, cards.filter((card) => card.state === state).length]);
  const words = counts.filter(([, n]) => n).map(([state, n]) => `${n} ${word("state", state)}`);
  put("goals-counts", cards.length ? t("goals.counts", { all: cards.length, words: words.join(" · ") }) : t("goals.none"));
  const articles = [...new Set(cards.map((card) => card.article))];
  byId("goals").replaceChildren(...articles.map((name) => article(name, cards.filter((card) => card.article === name), siteTime)));
}

function article(name, cards, siteTime) {
  const section = document.createElement("section");
  const list = made("ul", "", "cards");
  list.append(...cards.map((goal) => card(goal, siteTime)));
  section.append(said(cards[0])("h3", name), list);
  return section;
}

function card(goal, siteTime) {
  const item = made("li", "", "goal");
  const head = made("p", "", "goal-head");
  head.append(made("strong", goal.goal), badge(goal.state));
  item.append(head, said(goal)("p", goal.claim, "claim"));
  if (goal.indicator) item.append(said(goal)("p", goal.indicator, "muted"));
  const measured = isNumber(goal.value) || isPresent(goal.target);
  if (measured) {
    const numbers = document.createElement("dl");
    numbers.append(pair(t("goals.value"), amount(goal.value, goal.unit)), pair(t("goals.target"), amount(goal.target, goal.unit)));
    for (const extra of goal.extras ?? []) numbers.append(pair(extra.name, amount(extra.value, extra.unit)));
    item.append(numbers);
  }
  if (goal.why) item.append(said(goal)("p", goal.why, "why"));
  if (goal.add) {
    const add = made("p", `${t("goals.add")} `, "add");
    add.append(said(goal)("span", goal.add));
    item.append(add);
  }
  const about = [goal.period, isNumber(goal.coverage) && measured ? t("goals.coverage", { share: share(goal.coverage) }) : "", goal.as_of ? t("goals.asof", { time: siteTime ? siteTime.full(goal.as_of) : goal.as_of }) : ""];
  if (about.some(Boolean)) item.append(made("p", about.filter(Boolean).join(" · "), "muted about"));
  return item;
}

// Makes an element of a card's text: marked as English where the card has no text in the page's language.
const said = (goal) => (goal.texts?.[LANGUAGE] ? made : quoted);

const isPresent = (value) => value !== null && value !== undefined && value !== "";

function amount(value, unit) {
  if (!isPresent(value)) return "—";
  return isNumber(value) ? `${number(value)} ${unit ?? ""}`.trim() : String(value);
}

function pair(name, value) {
  const row = document.createElement("div");
  row.append(made("dt", name), made("dd", value));
  return row;
}
