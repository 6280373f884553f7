// The tool in hand: which, how large, and the shape that it is drawing.

import { clamp, find, input } from "./dom.js";

/** @typedef {import("./shapes.js").Point} Point */
/** @typedef {import("./shapes.js").Shape} Shape */
/** @typedef {import("./stage.js").Stage} Stage */
/** @typedef {"brush" | "eraser" | "rectangle" | "lasso" | "hand"} Tool */

export const TOOLS = /** @type {Tool[]} */ (["brush", "eraser", "rectangle", "lasso", "hand"]);
const LEAST = 1; // pixels of a brush
const FIRST = 0.06; // of the picture's shorter side: the first brush
const MOST = 0.5;

export class Tools {
  /** @param {Stage} stage */
  constructor(stage) {
    this.stage = stage;
    /** @type {Tool} */
    this.tool = "brush";
    this.size = 40;
    this.most = 400;
    this.locked = false; // nothing can be drawn, since a fill is under way
    /** @type {Shape | null} */
    this.shape = null;
    this.slider = input("size");
    this.slider.addEventListener("input", () => this.slide());
    this.radios = find("tools", HTMLElement);
    this.radios.addEventListener("change", (event) => {
      this.take(/** @type {Tool} */ (/** @type {HTMLInputElement} */ (event.target).value));
    });
    stage.addEventListener("picture", () => this.fit());
    this.take("brush");
  }

  /** Sizes that make sense in another picture. */
  fit() {
    const { width, height } = this.stage.picture ?? { width: 1, height: 1 };
    const most = Math.max(8, Math.round(Math.min(width, height) * MOST));
    if (most !== this.most)
      this.size = Math.max(LEAST, Math.round(Math.min(width, height) * FIRST));
    this.most = most;
    this.resize(1);
  }

  /** @param {Tool} tool */
  take(tool) {
    this.cancel();
    this.tool = tool;
    input(`tool-${tool}`).checked = true;
    this.stage.element.dataset.tool = tool;
    this.stage.aimAt(null);
  }

  /** @param {number} factor of the brush's size, which changes by a pixel at least */
  resize(factor) {
    const wanted = Math.round(this.size * factor);
    const step = Math.sign(factor - 1);
    this.size = clamp(wanted === this.size ? wanted + step : wanted, LEAST, this.most);
    // The slider's steps are ratios: a pixel matters to a small brush only.
    this.slider.value = String((Math.log(this.size) / Math.log(this.most)) * 100);
    this.tell();
  }

  slide() {
    this.size = Math.max(LEAST, Math.round(this.most ** (Number(this.slider.value) / 100)));
    this.tell();
  }

  tell() {
    this.slider.setAttribute("aria-valuetext", `${this.size} pixels`);
    find("size-shown", HTMLElement).textContent = `${this.size} px`;
  }

  /** @param {Point} point of the picture @param {boolean} erase also by a tool that marks */
  begin(point, erase) {
    if (this.locked || !this.stage.picture || this.tool === "hand") return;
    const stroke = this.tool === "brush" || this.tool === "eraser";
    this.shape = {
      kind: this.tool === "rectangle" || this.tool === "lasso" ? this.tool : "stroke",
      erase: erase || this.tool === "eraser",
      size: stroke ? this.size : 0,
      points: [point],
    };
    if (stroke) this.stage.preview(this.shape);
  }

  /** @param {Point} point */
  move(point) {
    const shape = this.shape;
    if (!shape) return;
    if (shape.kind === "rectangle") shape.points[1] = point;
    else shape.points.push(point);
    this.stage.preview(shape);
  }

  end() {
    const shape = this.shape;
    this.shape = null;
    if (!shape) return;
    // A click is a dot, but no rectangle and no lasso.
    if (shape.kind !== "stroke" && shape.points.length < 2) return this.stage.discard();
    this.stage.commit(shape);
  }

  cancel() {
    if (this.shape) this.stage.discard();
    this.shape = null;
  }

  /** Show where the tool would act. @param {Point | null} point */
  hover(point) {
    const brush = this.tool === "brush" || this.tool === "eraser";
    this.stage.aimAt(brush && this.stage.picture ? point : null, this.size);
  }
}
