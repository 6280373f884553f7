// A folder of results, beside their originals: read, shown and compared by the browser alone.

import { complain, hush, say } from "./announce.js";
import { button, find, make } from "./dom.js";
import { chooser } from "./opening.js";
import { paired } from "./pairing.js";

/** @typedef {import("./compare.js").Compare} Compare */
/** @typedef {import("./pairing.js").Pair} Pair */
/** @typedef {import("./session.js").Session} Session */
/** @typedef {import("./tabs.js").Tabs} Tabs */
/** @typedef {import("./work.js").Work} Work */

const PART = 60; // cards that are made at once; a folder may have thousands of pictures

export class Folder {
  /** @param {Session} session @param {Tabs} tabs @param {Work} work @param {Compare} compare */
  constructor(session, tabs, work, compare) {
    this.session = session;
    this.tabs = tabs;
    this.work = work;
    this.compare = compare;
    this.grid = find("folder-grid", HTMLUListElement);
    /** @type {File[]} */
    this.results = [];
    /** @type {Pair[]} */
    this.pairs = [];
    /** @type {string[]} of what is shown */
    this.urls = [];
    for (const field of ["folder-files", "some-files"]) {
      chooser([field.replace("files", "open")], field, (files) => this.show(files));
    }
    chooser(["originals-open"], "originals-files", (files) => this.show(this.results, files));
    button("folder-more").addEventListener("click", () => this.more());
  }

  /** @param {File[]} results @param {File[]} [originals] */
  show(results, originals = []) {
    this.results = results;
    this.pairs = paired(results, originals);
    this.urls.splice(0).forEach((url) => URL.revokeObjectURL(url));
    this.grid.replaceChildren();
    this.more();
    const both = this.pairs.filter(({ before }) => before).length;
    button("originals-open").disabled = this.pairs.length === 0;
    if (this.pairs.length) hush();
    else complain("There are no pictures among these. A folder is opened by its button.");
    say(`${counted(this.pairs.length)}, ${both} with the original.`);
  }

  /** Show some more of the pictures. */
  more() {
    const first = this.grid.childElementCount;
    this.grid.append(...this.pairs.slice(first, first + PART).map((pair) => this.card(pair)));
    const left = this.pairs.length - this.grid.childElementCount;
    button("folder-more").hidden = left === 0;
    button("folder-more").textContent = `Show ${Math.min(left, PART)} of ${left} more`;
  }

  /** @param {Pair} pair */
  card(pair) {
    const { path, after, before } = pair;
    const does = before ? "Compare" : "Open";
    const open = make("button", { class: "shown", "aria-label": `${does} ${path}` });
    open.append(...(before ? [this.side(before, "Before"), this.side(after, "After")] : []));
    if (!before) open.append(this.side(after, ""));
    open.addEventListener("click", () => void this.open(pair));
    const caption = make("figcaption", {}, make("strong", {}, path));
    return make("li", { class: before ? "card pair" : "card" }, open, caption);
  }

  /** @param {File} file @param {string} title */
  side(file, title) {
    const url = URL.createObjectURL(file);
    this.urls.push(url);
    const image = make("img", { src: url, alt: "", loading: "lazy" });
    image.addEventListener("error", () =>
      image.replaceWith(make("span", { class: "waits" }, "not shown by this browser")),
    );
    return make("span", { class: "half" }, image, ...(title ? [chip(title)] : []));
  }

  /** Put both on the stage, where they can be compared in detail and gone on from. @param {Pair} pair */
  async open({ path, after, before }) {
    await this.work.during(async (signal) => {
      const picture = await this.work.read(after, after.name, signal);
      const original = before && (await this.work.read(before, before.name, signal));
      this.tabs.show("remove");
      if (original) this.session.openBoth(original, picture);
      else this.session.open(picture);
      if (original && !this.compare.on) this.compare.toggle();
      say(`${path}, ${picture.width} by ${picture.height} pixels.`);
    });
  }
}

/** @param {string} title */
const chip = (title) => make("span", { class: "chip" }, title);

/** @param {number} pictures */
const counted = (pictures) => (pictures === 1 ? "1 picture" : `${pictures} pictures`);
