// Where the picture lies on the stage: zoom and pan, as plain numbers.

import { clamp } from "./dom.js";

/** @typedef {import("./shapes.js").Point} Point */

const LARGEST = 32; // screen pixels for one of the picture's
const KEPT = 48; // screen pixels of the picture that cannot be pushed off the stage
const RIM = 16; // screen pixels around a picture that fits

/** Emits "change". Points on the stage are in CSS pixels from its corner. */
export class View extends EventTarget {
  constructor() {
    super();
    this.scale = 1;
    this.x = 0; // of the picture's corner, on the stage
    this.y = 0;
    this.stage = { width: 1, height: 1 };
    this.picture = { width: 1, height: 1 };
    this.fitted = true; // so that it stays so when the window changes
  }

  /** @returns {number} the scale at which the whole picture is seen; small pictures are enlarged */
  get whole() {
    const { stage, picture } = this;
    const room = (/** @type {number} */ side) => Math.max(side - 2 * RIM, 32);
    const scale = Math.min(room(stage.width) / picture.width, room(stage.height) / picture.height);
    return Math.min(scale, 8);
  }

  /** See the whole picture. */
  fit() {
    this.fitted = true;
    this.place(this.whole, { x: this.picture.width / 2, y: this.picture.height / 2 }, this.centre);
  }

  get centre() {
    return { x: this.stage.width / 2, y: this.stage.height / 2 };
  }

  /** @param {number} factor @param {Point} [at] of the stage, that stays where it is */
  zoom(factor, at = this.centre) {
    this.fitted = false;
    const scale = clamp(this.scale * factor, Math.min(this.whole, 1) / 4, LARGEST);
    this.place(scale, this.inPicture(at), at);
  }

  /** @param {number} x @param {number} y in CSS pixels */
  pan(x, y) {
    this.fitted = false;
    this.place(this.scale, { x: 0, y: 0 }, { x: this.x + x, y: this.y + y });
  }

  /** @param {number} width @param {number} height of the stage, in CSS pixels */
  resize(width, height) {
    const middle = this.inPicture(this.centre);
    this.stage = { width, height };
    if (this.fitted) this.fit();
    else this.place(this.scale, middle, this.centre);
  }

  /** Bring a point of the picture into sight. @param {Point} point */
  reveal(point) {
    const { x, y } = this.onStage(point);
    const away = (/** @type {number} */ at, /** @type {number} */ side) =>
      at < RIM ? RIM - at : at > side - RIM ? side - RIM - at : 0;
    const [right, down] = [away(x, this.stage.width), away(y, this.stage.height)];
    if (right || down) this.pan(right, down);
  }

  /** @param {number} scale @param {Point} point of the picture @param {Point} at of the stage */
  place(scale, point, at) {
    const { stage, picture } = this;
    this.scale = scale;
    this.x = clamp(at.x - point.x * scale, KEPT - picture.width * scale, stage.width - KEPT);
    this.y = clamp(at.y - point.y * scale, KEPT - picture.height * scale, stage.height - KEPT);
    this.dispatchEvent(new Event("change"));
  }

  /** @param {Point} at of the stage @returns {Point} of the picture */
  inPicture({ x, y }) {
    return { x: (x - this.x) / this.scale, y: (y - this.y) / this.scale };
  }

  /** @param {Point} point of the picture @returns {Point} of the stage */
  onStage({ x, y }) {
    return { x: x * this.scale + this.x, y: y * this.scale + this.y };
  }
}
