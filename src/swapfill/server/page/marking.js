// The buttons that change the whole mask, and its way to and from a file.

import { say } from "./announce.js";
import { button, clamp, input } from "./dom.js";
import { named } from "./picture.js";
import { saveBlob } from "./saving.js";

/** @typedef {import("./stage.js").Stage} Stage */
/** @typedef {import("./work.js").Work} Work */

export class Marking {
  /** @param {Stage} stage @param {Work} work */
  constructor(stage, work) {
    this.stage = stage;
    this.work = work;
    const acts = /** @type {Object<string, () => void>} */ ({
      invert: () => this.stage.mask.invert(),
      clear: () => this.stage.mask.clear(),
      grow: () => this.stage.mask.grow(this.radius),
      shrink: () => this.stage.mask.grow(-this.radius),
    });
    for (const [id, act] of Object.entries(acts)) button(id).addEventListener("click", act);
    button("mask-save").addEventListener("click", () => this.save());
    stage.addEventListener("mask", () => this.tell());
    for (const type of ["mask", "picture"]) stage.addEventListener(type, () => this.enable());
    work.addEventListener("change", () => this.enable());
    this.enable();
  }

  get radius() {
    return clamp(Math.round(input("grow-by").valueAsNumber) || 1, 1, 512);
  }

  enable() {
    const { picture, mask } = this.stage;
    const still = !picture || this.work.busy;
    for (const id of ["invert", "mask-load"]) button(id).disabled = still;
    for (const id of ["clear", "grow", "shrink", "mask-save"])
      button(id).disabled = still || !mask.marked;
  }

  tell() {
    const { mask, picture } = this.stage;
    if (!picture || this.work.busy || !mask.done.length) return;
    const percent = (100 * mask.marked) / (mask.width * mask.height);
    const share = percent > 0 && percent < 0.1 ? "less than 0.1" : percent.toFixed(1);
    say(mask.marked ? `${share} % of the picture is marked.` : "Nothing is marked.");
  }

  async save() {
    const { picture, mask } = this.stage;
    if (picture) saveBlob(await mask.png(true), named(picture.name, "mask", ".png"));
  }
}
