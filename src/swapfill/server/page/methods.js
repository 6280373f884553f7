// The tab that fills one hole by several methods, side by side.

import { complain, say } from "./announce.js";
import { button, find, make } from "./dom.js";
import { filling } from "./fields.js";

/** @typedef {import("./picture.js").Picture} Picture */
/** @typedef {import("./session.js").Session} Session */
/** @typedef {import("./session.js").Version} Version */
/** @typedef {import("./stage.js").Stage} Stage */
/** @typedef {import("./work.js").Work} Work */
/** @typedef {import("./tabs.js").Tabs} Tabs */
/** @typedef {import("./catalogue.js").Catalogue} Catalogue */
/** @typedef {import("./mask.js").Hole} Hole */
/** @typedef {{from: Version, hole: Hole | null}} Case */

export class Methods {
  /** @param {Stage} stage @param {Session} session @param {Work} work @param {Tabs} tabs */
  constructor(stage, session, work, tabs) {
    this.stage = stage;
    this.session = session;
    this.work = work;
    this.tabs = tabs;
    this.box = find("methods", HTMLElement);
    this.grid = find("methods-grid", HTMLElement);
    /** @type {Set<string>} of results that nobody has taken */
    this.unused = new Set();
    button("methods-run").addEventListener("click", () => this.compare());
    this.box.addEventListener("change", () => this.enable());
    for (const source of [stage, session, work]) {
      for (const type of ["mask", "change"]) source.addEventListener(type, () => this.enable());
    }
  }

  /** @param {Catalogue} catalogue */
  offer(catalogue) {
    this.box.replaceChildren(
      ...catalogue.ways.map(({ name, about }) => {
        const box = make("input", { type: "checkbox", value: name, checked: "" });
        return make("label", { title: about }, box, name);
      }),
    );
    this.enable();
  }

  get chosen() {
    const boxes = /** @type {NodeListOf<HTMLInputElement>} */ (
      this.box.querySelectorAll("input:checked")
    );
    return [...boxes].map((box) => box.value);
  }

  /** Whether there is a hole: marked now, or that of the result on the stage. */
  get possible() {
    const { current } = this.session;
    const { mask, picture } = this.stage;
    return Boolean(current && (mask.marked || current.hole || picture?.transparent));
  }

  enable() {
    button("methods-run").disabled = this.work.busy || !this.possible || !this.chosen.length;
    const about = this.possible
      ? "The same hole, filled by each method you choose."
      : "Open a photograph and mark something first: the same hole is then filled by each method you choose.";
    find("methods-about", HTMLElement).textContent = about;
  }

  /** @returns {Promise<Case>} */
  async case() {
    const current = /** @type {Version} */ (this.session.current);
    const hole = await this.stage.mask.hole();
    if (hole) return { from: current, hole };
    if (current.hole && current.parent) return { from: current.parent, hole: current.hole };
    return { from: current, hole: null };
  }

  async compare() {
    const names = this.chosen;
    const cards = names.map((name) => this.card(name));
    const failures = await this.work.during(async (signal) => {
      const asked = await this.case();
      const before = this.card("before");
      this.put(before, asked.from.picture, asked.hole);
      this.grid.replaceChildren(before, ...cards);
      for (const url of this.unused) URL.revokeObjectURL(url);
      this.unused.clear();
      let failed = 0;
      for (const [i, name] of names.entries())
        failed += await this.one(asked, name, cards[i], signal);
      return failed;
    });
    for (const card of cards) card.querySelector(".waits.open")?.replaceChildren("not filled");
    if (failures !== null)
      say(
        failures ? `${failures} of ${names.length} failed.` : `${names.length} methods compared.`,
      );
  }

  /** @param {Case} asked @param {string} name @param {HTMLElement} card @param {AbortSignal} signal
   * @returns {Promise<number>} failures: one method's is no reason to leave out the others */
  async one({ from, hole }, name, card, signal) {
    const began = performance.now();
    try {
      const form = filling(from.picture, hole?.png ?? null, { method: name });
      const blob = await this.work.send(form, signal, name);
      const picture = await this.work.read(blob, from.picture.name, signal);
      const seconds = (performance.now() - began) / 1000;
      this.unused.add(picture.url);
      this.put(card, picture, hole);
      this.caption(card, `${seconds.toFixed(1)} s`).append(
        this.keep({ from, hole }, picture, name, seconds),
      );
      return 0;
    } catch (error) {
      if (signal.aborted) throw error;
      const waits = card.querySelector(".waits");
      waits?.classList.remove("open");
      waits?.replaceChildren(error instanceof Error ? error.message : String(error));
      return 1;
    }
  }

  /** @param {string} name */
  card(name) {
    const card = make(
      "figure",
      { class: "card" },
      make("div", { class: "shown waits open" }, "waits"),
    );
    card.append(make("figcaption", {}, make("strong", {}, name)));
    card.setAttribute("aria-label", name);
    return card;
  }

  /** @param {HTMLElement} card @param {Picture} picture @param {Hole | null} hole that is shown near */
  put(card, picture, hole) {
    const name = card.getAttribute("aria-label") ?? "";
    const link = make("a", {
      class: "shown",
      href: picture.url,
      target: "_blank",
      title: "Open at full size",
    });
    const image = make("img", { src: picture.url, alt: name });
    link.append(image);
    if (hole) near(image, picture, hole.box);
    card.querySelector(".shown")?.replaceWith(link);
  }

  /** @param {HTMLElement} card @param {string} text */
  caption(card, text) {
    const caption = /** @type {HTMLElement} */ (card.querySelector("figcaption"));
    caption.append(make("span", { class: "hint" }, text));
    return caption;
  }

  /** @param {Case} asked @param {Picture} picture @param {string} method @param {number} seconds */
  keep({ from, hole }, picture, method, seconds) {
    const use = make("button", {}, "Use this one");
    use.addEventListener("click", () => {
      if (this.work.busy) return complain("Something is being filled: wait for it, or cancel it.");
      use.disabled = true;
      this.unused.delete(picture.url);
      this.session.add(from, picture, hole, { method, note: "", seconds });
      this.tabs.show("remove");
    });
    return use;
  }
}

/** Show a hole and as much again around it, in a frame of 4 by 3.
 * @param {HTMLImageElement} image @param {Picture} picture @param {import("./shapes.js").Box} box */
function near(image, picture, box) {
  const width = Math.max(box.width * 2, (box.height * 2 * 4) / 3, 32);
  if (width > picture.width && (width * 3) / 4 > picture.height) return; // all of it is near
  const share = (/** @type {number} */ pixels) => `${(100 * pixels) / width}%`;
  const down = (/** @type {number} */ pixels) => `${(100 * pixels) / ((width * 3) / 4)}%`;
  image.classList.add("near");
  image.style.width = share(picture.width);
  image.style.height = down(picture.height);
  image.style.left = share(width / 2 - box.x - box.width / 2);
  image.style.top = down((width * 3) / 8 - box.y - box.height / 2);
}
