// Undo and redo over everything that was done, and the strip of versions.

import { button, find, make } from "./dom.js";

/** @typedef {import("./session.js").Session} Session */
/** @typedef {import("./session.js").Version} Version */
/** @typedef {import("./stage.js").Stage} Stage */
/** @typedef {import("./work.js").Work} Work */

export class History {
  /** @param {Stage} stage @param {Session} session @param {Work} work */
  constructor(stage, session, work) {
    this.stage = stage;
    this.session = session;
    this.work = work;
    this.strip = find("strip", HTMLOListElement);
    this.given = 0; // steps of the mask that undo itself has made
    button("undo").addEventListener("click", () => this.undo());
    button("redo").addEventListener("click", () => this.redo());
    session.addEventListener("change", () => this.list());
    for (const source of [stage, session, work]) {
      for (const type of ["mask", "change"]) source.addEventListener(type, () => this.enable());
    }
  }

  /** Take back the last mark; before the first one, the fill, and have its mark again. */
  async undo() {
    const { mask } = this.stage;
    if (this.work.busy) return;
    if (mask.done.length) return mask.undo();
    const left = this.session.back();
    this.given = left?.hole ? 1 : 0;
    if (!left?.hole) return this.enable();
    const bitmap = await createImageBitmap(left.hole.png);
    if (this.session.current === left.parent) this.stage.mask.load(bitmap);
    bitmap.close();
  }

  redo() {
    const { mask } = this.stage;
    if (this.work.busy) return;
    if (mask.undone.length) mask.redo();
    else if (this.mayGoForth) this.session.forth();
  }

  /** Undo left a fill, and nothing but its own mask has been marked since. */
  get mayGoForth() {
    return this.session.ahead.length > 0 && this.stage.mask.done.length <= this.given;
  }

  enable() {
    const { mask } = this.stage;
    const { current } = this.session;
    button("undo").disabled = this.work.busy || !(mask.done.length || current?.parent);
    button("redo").disabled = this.work.busy || !(mask.undone.length || this.mayGoForth);
  }

  list() {
    this.strip.replaceChildren(...this.session.versions.map((version) => this.entry(version)));
    this.strip
      .querySelector("[aria-current]")
      ?.scrollIntoView({ block: "nearest", inline: "nearest" });
  }

  /** @param {Version} version */
  entry(version) {
    const { title, picture, made } = version;
    const what = made
      ? `Version ${title}, ${made.method}${made.note ? `, ${made.note}` : ""}`
      : title;
    const image = make("img", { src: picture.url, alt: "", draggable: "false" });
    const shown = make("button", { "aria-label": what, title: what }, image, title);
    if (version === this.session.current) shown.setAttribute("aria-current", "true");
    shown.addEventListener("click", () => this.work.busy || this.session.go(version));
    return make("li", {}, shown);
  }
}
