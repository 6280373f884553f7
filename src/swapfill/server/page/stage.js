// Shows the picture, what is marked on it, and the shape that is being drawn.

import { context, find } from "./dom.js";
import { Mask } from "./mask.js";
import { draw, outline } from "./shapes.js";
import { View } from "./view.js";

/** @typedef {import("./picture.js").Picture} Picture */
/** @typedef {import("./shapes.js").Shape} Shape */
/** @typedef {import("./shapes.js").Point} Point */

const SHARP = 4; // from this scale on the picture's pixels are shown as squares

/** Emits "picture" when another is shown, "mask" when something else is marked, "edit" when by hand. */
export class Stage extends EventTarget {
  constructor() {
    super();
    this.element = find("stage", HTMLElement);
    this.paper = find("paper", HTMLElement); // holds the pictures, in their own pixels
    this.image = find("picture", HTMLImageElement);
    this.ring = find("ring", HTMLElement); // as large as the brush
    this.overlay = find("overlay", HTMLCanvasElement);
    this.pen = context(this.overlay);
    this.sketch = find("sketch", HTMLCanvasElement); // the rim of a rectangle or lasso
    this.sketchPen = context(this.sketch);
    this.view = new View();
    /** @type {Picture | null} */
    this.picture = null;
    this.mask = new Mask(1, 1);
    this.stale = false;
    this.view.addEventListener("change", () => this.refresh());
    new ResizeObserver(() => this.resize()).observe(this.element);
    const dark = matchMedia("(prefers-color-scheme: dark)");
    dark.addEventListener("change", () => this.refresh());
  }

  /** @param {Picture} picture @param {Mask} [mask] of its size; without one, nothing is marked */
  show(picture, mask = new Mask(picture.width, picture.height)) {
    const kept = this.picture?.width === picture.width && this.picture.height === picture.height;
    this.picture = picture;
    this.mask = mask;
    mask.addEventListener("change", () => this.changed());
    this.image.src = picture.url;
    this.image.alt = picture.name;
    this.paper.style.width = `${picture.width}px`;
    this.paper.style.height = `${picture.height}px`;
    this.paper.classList.toggle("see-through", picture.transparent);
    this.view.picture = { width: picture.width, height: picture.height };
    if (!kept) this.view.fit();
    this.changed();
    this.dispatchEvent(new Event("picture"));
  }

  changed() {
    this.refresh();
    this.dispatchEvent(new Event("mask"));
  }

  resize() {
    const { clientWidth: width, clientHeight: height } = this.element;
    if (!width || !height) return; // another tab is open
    for (const canvas of [this.overlay, this.sketch]) {
      canvas.width = Math.round(width * devicePixelRatio);
      canvas.height = Math.round(height * devicePixelRatio);
    }
    this.view.resize(width, height);
  }

  /** Draw again, once, before the next frame. */
  refresh() {
    if (this.stale) return;
    this.stale = true;
    requestAnimationFrame(() => {
      this.stale = false;
      this.render();
    });
  }

  render() {
    const { scale, x, y } = this.view;
    this.paper.style.transform = `translate(${x}px, ${y}px) scale(${scale})`;
    this.paper.classList.toggle("sharp", scale >= SHARP);
    const { pen, overlay } = this;
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, overlay.width, overlay.height);
    if (!this.picture) return;
    this.aim(pen);
    pen.fillStyle = getComputedStyle(this.overlay).color;
    this.renderMask();
    this.dispatchEvent(new Event("render"));
  }

  /** Only what is in sight is scaled: the mask may have many megapixels. */
  renderMask() {
    const { pen, mask, view } = this;
    if (mask.marked === 0) return;
    const from = view.inPicture({ x: 0, y: 0 });
    const to = view.inPicture({ x: view.stage.width, y: view.stage.height });
    const left = Math.max(0, Math.floor(from.x));
    const top = Math.max(0, Math.floor(from.y));
    const width = Math.min(mask.width, Math.ceil(to.x)) - left;
    const height = Math.min(mask.height, Math.ceil(to.y)) - top;
    if (width <= 0 || height <= 0) return;
    pen.imageSmoothingEnabled = view.scale < SHARP;
    pen.drawImage(mask.canvas, left, top, width, height, left, top, width, height);
    pen.globalCompositeOperation = "source-in";
    pen.fillRect(left, top, width, height);
    pen.globalCompositeOperation = "source-over";
  }

  /** Let a context draw in the picture's pixels. @param {CanvasRenderingContext2D} pen */
  aim(pen) {
    const { scale, x, y } = this.view;
    const ratio = devicePixelRatio;
    pen.setTransform(scale * ratio, 0, 0, scale * ratio, x * ratio, y * ratio);
  }

  /** Show a shape that is not finished. A stroke only grows, so its last piece is enough.
   * @param {Shape} shape */
  preview(shape) {
    if (shape.kind === "stroke") {
      draw(this.pen, { ...shape, points: shape.points.slice(-3) });
      return;
    }
    const pen = this.sketchPen;
    this.unsketch();
    this.aim(pen);
    const path = outline(shape);
    for (const [colour, dash] of /** @type {const} */ ([
      ["#000", 0],
      ["#fff", 5],
    ])) {
      pen.strokeStyle = colour;
      pen.lineWidth = 1.5 / this.view.scale;
      pen.setLineDash(dash ? [dash / this.view.scale, dash / this.view.scale] : []);
      pen.stroke(path);
    }
  }

  unsketch() {
    this.sketchPen.setTransform(1, 0, 0, 1, 0, 0);
    this.sketchPen.clearRect(0, 0, this.sketch.width, this.sketch.height);
  }

  /** Mark a finished shape. @param {Shape} shape */
  commit(shape) {
    this.unsketch();
    const touches = this.mask.add(shape);
    this.refresh();
    if (touches) this.dispatchEvent(new Event("edit"));
  }

  /** Forget a shape that was not finished. */
  discard() {
    this.unsketch();
    this.refresh();
  }

  /** Show the brush's size around a point of the picture; null: hide it.
   * @param {Point | null} point @param {number} [size] in the picture's pixels; 0: a cross */
  aimAt(point, size = 0) {
    this.ring.hidden = point === null;
    if (point === null) return;
    const { x, y } = this.view.onStage(point);
    const side = Math.max(size * this.view.scale, 4);
    this.ring.classList.toggle("cross", size === 0);
    this.ring.style.width = this.ring.style.height = size ? `${side}px` : "";
    this.ring.style.transform = `translate(${x}px, ${y}px) translate(-50%, -50%)`;
  }
}
