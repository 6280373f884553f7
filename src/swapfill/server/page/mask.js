// What is marked, in the picture's own pixels, whatever the screen shows; every edit can be undone.

import { context } from "./dom.js";
import { grown } from "./distance.js";
import { draw, reach } from "./shapes.js";

/** @typedef {import("./shapes.js").Box} Box */
/** @typedef {import("./shapes.js").Shape} Shape */
/** @typedef {{box: Box, alpha: Uint8Array}} Step a place, and what it held */
/** @typedef {{png: Blob, box: Box}} Hole a mask as it is sent, and where it is marked */

const REMEMBERED = 200e6; // bytes of steps; the oldest are forgotten first
const WHITE = "#fff";

/** White on a transparent canvas, which the server reads as the hole. Emits "change". */
export class Mask extends EventTarget {
  /** @param {number} width @param {number} height */
  constructor(width, height) {
    super();
    this.canvas = document.createElement("canvas");
    this.canvas.width = width;
    this.canvas.height = height;
    this.pen = context(this.canvas, { willReadFrequently: true });
    this.pen.fillStyle = WHITE;
    this.marked = 0; // pixels
    /** @type {Step[]} */
    this.done = [];
    /** @type {Step[]} */
    this.undone = [];
  }

  get width() {
    return this.canvas.width;
  }

  get height() {
    return this.canvas.height;
  }

  /** @returns {Box} */
  get whole() {
    return { x: 0, y: 0, width: this.width, height: this.height };
  }

  /** @param {Shape} shape @returns {boolean} whether it touches the picture */
  add(shape) {
    const box = reach(shape, this.width, this.height);
    if (box) this.edit(box, () => draw(this.pen, shape));
    return box !== null;
  }

  /** Mark what is not, and the other way round. */
  invert() {
    this.replace((alpha) => alpha.map((value) => 255 - value));
  }

  /** @param {number} radius whole pixels; less than 0 shrinks */
  grow(radius) {
    if (radius >= 0) return this.replace((alpha) => grown(alpha, this.width, radius));
    this.replace((alpha) =>
      grown(
        alpha.map((value) => 255 - value),
        this.width,
        -radius,
      ).map((value) => 255 - value),
    );
  }

  /** Unmark everything. */
  clear() {
    this.replace((alpha) => new Uint8Array(alpha.length));
  }

  /** @param {CanvasImageSource} image of any size; its light, opaque places are marked */
  load(image) {
    const canvas = document.createElement("canvas");
    canvas.width = this.width;
    canvas.height = this.height;
    const pen = context(canvas, { willReadFrequently: true });
    pen.drawImage(image, 0, 0, this.width, this.height);
    const { data } = pen.getImageData(0, 0, this.width, this.height);
    this.replace((alpha) => alpha.map((_, i) => lightness(data, 4 * i)));
  }

  /** @param {(alpha: Uint8Array) => Uint8Array} change of all */
  replace(change) {
    this.edit(this.whole, () =>
      this.put({ box: this.whole, alpha: change(this.read(this.whole)) }),
    );
  }

  /** @param {Box} box outside of which `change` leaves all as it is @param {() => void} change */
  edit(box, change) {
    const before = { box, alpha: this.read(box) };
    change();
    this.count(before.alpha, this.read(box));
    this.done.push(before);
    this.undone = [];
    for (let bytes = size(this.done); bytes > REMEMBERED && this.done.length > 1;) {
      bytes -= this.done.shift()?.alpha.length ?? 0;
    }
    this.dispatchEvent(new Event("change"));
  }

  undo() {
    this.step(this.done, this.undone);
  }

  redo() {
    this.step(this.undone, this.done);
  }

  /** Put the last step of one list back, and what was there on the other.
   * @param {Step[]} from @param {Step[]} to */
  step(from, to) {
    const step = from.pop();
    if (!step) return;
    const now = this.read(step.box);
    to.push({ box: step.box, alpha: now });
    this.put(step);
    this.count(now, step.alpha);
    this.dispatchEvent(new Event("change"));
  }

  /** @param {Uint8Array} before @param {Uint8Array} after */
  count(before, after) {
    for (let i = 0; i < after.length; i++) this.marked += (after[i] >> 7) - (before[i] >> 7);
  }

  /** @param {Box} box @returns {Uint8Array} */
  read(box) {
    const { data } = this.pen.getImageData(box.x, box.y, box.width, box.height);
    const alpha = new Uint8Array(data.length / 4);
    for (let i = 0; i < alpha.length; i++) alpha[i] = data[4 * i + 3];
    return alpha;
  }

  /** @param {Step} step */
  put({ box, alpha }) {
    const image = new ImageData(box.width, box.height);
    const words = new Uint32Array(image.data.buffer); // alpha is the highest byte of each
    for (let i = 0; i < alpha.length; i++) words[i] = (alpha[i] << 24) | 0xffffff;
    this.pen.putImageData(image, box.x, box.y);
  }

  /** @returns {Promise<Hole | null>} null: nothing is marked */
  async hole() {
    return this.marked
      ? { png: await this.png(), box: marks(this.read(this.whole), this.width) }
      : null;
  }

  /** @param {boolean} [opaque] black behind it, as other programs want a mask @returns {Promise<Blob>} PNG */
  png(opaque = false) {
    const canvas = opaque ? onBlack(this.canvas) : this.canvas;
    return new Promise((resolve, reject) => {
      canvas.toBlob((blob) => (blob ? resolve(blob) : reject(new Error("no mask"))), "image/png");
    });
  }
}

/** @param {Step[]} steps */
const size = (steps) => steps.reduce((bytes, step) => bytes + step.alpha.length, 0);

/** @param {Uint8Array} alpha with something marked @param {number} width @returns {Box} around it */
function marks(alpha, width) {
  const first = alpha.findIndex((value) => value >= 128);
  const last = alpha.findLastIndex((value) => value >= 128);
  let [left, right] = [width, 0];
  for (let i = first; i <= last; i++) {
    if (alpha[i] < 128) continue;
    left = Math.min(left, i % width);
    right = Math.max(right, i % width);
  }
  const [top, bottom] = [Math.floor(first / width), Math.floor(last / width)];
  return { x: left, y: top, width: right - left + 1, height: bottom - top + 1 };
}

/** @param {Uint8ClampedArray} data @param {number} i @returns {number} ITU-R 601, on black, cut at half */
function lightness(data, i) {
  const grey = 0.299 * data[i] + 0.587 * data[i + 1] + 0.114 * data[i + 2];
  return (grey * data[i + 3]) / 255 >= 127.5 ? 255 : 0;
}

/** @param {HTMLCanvasElement} canvas */
function onBlack(canvas) {
  const copy = document.createElement("canvas");
  copy.width = canvas.width;
  copy.height = canvas.height;
  const pen = context(copy);
  pen.fillRect(0, 0, copy.width, copy.height);
  pen.drawImage(canvas, 0, 0);
  return copy;
}
