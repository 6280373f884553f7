// Tabs, as the ARIA patterns have them: one is in the order of Tab, arrows change it.

import { find } from "./dom.js";

/** Emits "change". */
export class Tabs extends EventTarget {
  constructor() {
    super();
    this.main = /** @type {HTMLElement} */ (document.querySelector("main"));
    this.tabs = /** @type {HTMLElement[]} */ ([...document.querySelectorAll("[role=tab]")]);
    this.tabs.forEach((tab, index) => {
      tab.addEventListener("click", () => this.show(nameOf(tab)));
      tab.addEventListener("keydown", (event) => this.key(event, index));
    });
  }

  get shown() {
    return this.main.dataset.tab ?? "remove";
  }

  /** @param {string} name */
  show(name) {
    for (const tab of this.tabs) {
      const chosen = nameOf(tab) === name;
      tab.setAttribute("aria-selected", String(chosen));
      tab.tabIndex = chosen ? 0 : -1;
      find(`panel-${nameOf(tab)}`, HTMLElement).hidden = !chosen;
    }
    this.main.dataset.tab = name;
    this.dispatchEvent(new Event("change"));
  }

  /** @param {KeyboardEvent} event @param {number} index */
  key(event, index) {
    const last = this.tabs.length - 1;
    const to = {
      ArrowRight: index === last ? 0 : index + 1,
      ArrowLeft: index ? index - 1 : last,
      Home: 0,
      End: last,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    this.tabs[to].focus();
    this.show(nameOf(this.tabs[to]));
  }
}

/** @param {HTMLElement} tab */
const nameOf = (tab) => tab.id.slice("tab-".length);
