// The page's sections as tabs: arrow keys, Home and End select a tab; the address contains its name.

export class Tabs {
  // `opened` is called with the name of each section that opens.
  constructor(list, opened) {
    this.opened = opened;
    this.tabs = [...list.querySelectorAll("[role=tab]")];
    for (const tab of this.tabs) {
      tab.addEventListener("click", () => this.#go(tab));
      tab.addEventListener("keydown", (event) => this.#key(event, tab));
    }
    window.addEventListener("hashchange", () => this.#show());
    this.#show();
  }

  #key(event, tab) {
    const at = this.tabs.indexOf(tab);
    const last = this.tabs.length - 1;
    const to = { ArrowRight: at === last ? 0 : at + 1, ArrowLeft: at === 0 ? last : at - 1, Home: 0, End: last }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.#go(this.tabs[to]);
    this.tabs[to].focus();
  }

  #go(tab) {
    location.hash = tab.dataset.section;
    this.#show(); // before hashchange arrives, so that the focused tab is also the selected tab
  }

  #show() {
    const name = location.hash.slice(1);
    const chosen = this.tabs.find((tab) => tab.dataset.section === name) ?? this.tabs[0];
    if (chosen === this.chosen) return;
    this.chosen = chosen;
    for (const tab of this.tabs) {
      tab.setAttribute("aria-selected", String(tab === chosen));
      tab.tabIndex = tab === chosen ? 0 : -1;
      document.getElementById(tab.getAttribute("aria-controls")).hidden = tab !== chosen;
    }
    chosen.scrollIntoView({ block: "nearest", inline: "nearest" });
    this.opened(chosen.dataset.section);
  }
}
