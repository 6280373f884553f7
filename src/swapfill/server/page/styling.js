// The tab that paints the picture with the pieces of others.

import { complain, say } from "./announce.js";
import { button, find, input, make, icon } from "./dom.js";
import { form } from "./fields.js";

/** @typedef {import("./picture.js").Picture} Picture */
/** @typedef {import("./session.js").Session} Session */
/** @typedef {import("./stage.js").Stage} Stage */
/** @typedef {import("./work.js").Work} Work */
/** @typedef {import("./catalogue.js").Catalogue} Catalogue */
/** @typedef {{picture: Picture, weight: HTMLInputElement, row: HTMLLIElement}} Style */

export class Styling {
  /** @param {Stage} stage @param {Session} session @param {Work} work @param {Catalogue} catalogue */
  constructor(stage, session, work, catalogue) {
    this.stage = stage;
    this.session = session;
    this.work = work;
    this.catalogue = catalogue;
    /** @type {Style[]} */
    this.styles = [];
    button("style-run").addEventListener("click", () => this.transfer());
    for (const source of [stage, session, work]) {
      for (const type of ["mask", "change"]) source.addEventListener(type, () => this.enable());
    }
  }

  /** @param {File[]} files */
  async add(files) {
    for (const file of files) {
      try {
        if (this.styles.length >= this.catalogue.limits.styles) {
          throw new Error(
            `${file.name}: there are ${this.styles.length} styles, want no more here`,
          );
        }
        const name = file.name || "style.png";
        this.catalogue.checkBytes(name, file);
        const picture = await this.work.read(file, name, new AbortController().signal);
        this.catalogue.check(picture);
        this.list(picture);
      } catch (error) {
        complain(error);
      }
    }
    this.enable();
  }

  /** @param {Picture} picture */
  list(picture) {
    const weight = make("input", {
      type: "number",
      min: "0",
      max: "100",
      step: "0.1",
      value: "1",
      title: "Weight",
    });
    weight.setAttribute("aria-label", `Weight of ${picture.name}`);
    const away = make(
      "button",
      { class: "quiet", "aria-label": `Take ${picture.name} away` },
      icon("close"),
    );
    const image = make("img", { src: picture.url, alt: "" });
    const row = make(
      "li",
      {},
      image,
      make("span", { title: picture.name }, picture.name),
      weight,
      away,
    );
    const style = { picture, weight, row };
    away.addEventListener("click", () => {
      this.styles = this.styles.filter((other) => other !== style);
      row.remove();
      URL.revokeObjectURL(picture.url);
      this.enable();
    });
    this.styles.push(style);
    find("styles", HTMLUListElement).append(row);
  }

  enable() {
    find("style-none", HTMLElement).hidden = this.styles.length > 0;
    const { marked } = this.stage.mask;
    const only = input("style-marked");
    only.disabled = marked === 0;
    if (marked === 0) only.checked = false;
    button("style-run").disabled =
      this.work.busy || !this.session.current || !this.styles.length || !this.catalogue.style;
    button("style-run").title = this.catalogue.style
      ? ""
      : "The engine that runs here cannot do it";
  }

  async transfer() {
    const from = this.session.current;
    if (!from) return;
    const strength = Number(input("strength").value);
    const began = performance.now();
    await this.work.during(async (signal) => {
      const mask = input("style-marked").checked ? await this.stage.mask.png() : null;
      const blob = await this.work.send(
        this.form(from.picture, mask, strength),
        signal,
        "Painting",
      );
      const picture = await this.work.read(blob, from.picture.name, signal);
      const seconds = (performance.now() - began) / 1000;
      this.session.add(from, picture, null, {
        method: "style",
        note: `${strength} %`,
        seconds,
      });
      say(`Painted in ${seconds.toFixed(1)} s. Compare, or download.`);
    });
  }

  /** @param {Picture} picture @param {Blob | null} mask @param {number} strength in percent */
  form(picture, mask, strength) {
    const made = form("style", picture, mask);
    for (const style of this.styles) made.append("style", style.picture.blob, style.picture.name);
    if (this.styles.length > 1)
      for (const { weight } of this.styles) made.append("weights", weight.value);
    made.append("strength", String(strength / 100));
    made.append("keep_colours", String(input("keep-colours").checked));
    return made;
  }
}
