// The tab with all results of this session.

import { button, find, make } from "./dom.js";
import { saveVersion } from "./saving.js";
import { fileName } from "./session.js";

/** @typedef {import("./session.js").Session} Session */
/** @typedef {import("./session.js").Version} Version */
/** @typedef {import("./tabs.js").Tabs} Tabs */

export class Results {
  /** @param {Session} session @param {Tabs} tabs @param {import("./work.js").Work} work */
  constructor(session, tabs, work) {
    this.session = session;
    this.tabs = tabs;
    this.work = work;
    this.list = find("results", HTMLUListElement);
    this.shown = 0;
    session.addEventListener("change", () => this.render());
    button("results-save").addEventListener("click", () => session.results.forEach(saveVersion));
    addEventListener("beforeunload", (event) => {
      if (session.results.some((version) => !version.saved)) event.preventDefault();
    });
  }

  render() {
    const { results } = this.session;
    this.list.prepend(
      ...results
        .slice(this.shown)
        .reverse()
        .map((version) => this.card(version)),
    );
    this.shown = results.length;
    const count = find("results-count", HTMLElement);
    count.textContent = String(results.length);
    count.hidden = results.length === 0;
    find("results-none", HTMLElement).hidden = results.length > 0;
    button("results-save").hidden = results.length < 2;
  }

  /** @param {Version} version */
  card(version) {
    const { picture, made } = version;
    const name = fileName(version);
    const open = make("button", { class: "shown", "aria-label": `Go on with ${name}` });
    open.append(make("img", { src: picture.url, alt: "", loading: "lazy" }));
    const save = make("button", { "aria-label": `Download ${name}` }, "Download");
    const edit = make("button", {}, "Go on");
    for (const one of [open, edit]) {
      one.addEventListener("click", () => {
        if (this.work.busy) return;
        this.session.go(version);
        this.tabs.show("remove");
      });
    }
    save.addEventListener("click", () => saveVersion(version));
    const how = made
      ? `${made.method}${made.note ? `, ${made.note}` : ""}, ${made.seconds.toFixed(1)} s`
      : "";
    const caption = make(
      "figcaption",
      {},
      make("strong", {}, name),
      make("span", { class: "hint" }, how),
    );
    caption.append(make("div", { class: "cluster" }, edit, save));
    return make("li", { class: "card" }, open, caption);
  }
}
