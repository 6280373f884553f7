// Drawing without a mouse: arrows move a cross over the picture, Enter puts the tool down and up.

import { say } from "./announce.js";
import { clamp } from "./dom.js";

/** @typedef {import("./stage.js").Stage} Stage */
/** @typedef {import("./tools.js").Tools} Tools */

const ARROWS = /** @type {Object<string, [number, number]>} */ ({
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1],
});
const STEP = 8; // pixels of the screen; with Shift one of the picture, with Ctrl ten times as far

export class Keyboard {
  /** @param {Stage} stage @param {Tools} tools */
  constructor(stage, tools) {
    this.stage = stage;
    this.tools = tools;
    this.at = { x: 0, y: 0 };
    stage.addEventListener("picture", () => {
      const { width, height } = stage.view.picture;
      this.at = { x: Math.floor(width / 2), y: Math.floor(height / 2) };
    });
    stage.element.addEventListener("keydown", (event) => this.key(event));
    stage.element.addEventListener("blur", () => this.leave());
  }

  /** @param {KeyboardEvent} event */
  key(event) {
    if (event.target !== this.stage.element || !this.stage.picture) return;
    const arrow = ARROWS[event.key];
    if (arrow) this.move(arrow, event);
    else if (event.key === "Enter" && !event.ctrlKey && !event.metaKey) this.toggle(event);
    else return;
    event.preventDefault();
  }

  /** @param {[number, number]} arrow @param {KeyboardEvent} event */
  move([right, down], event) {
    const { view } = this.stage;
    const far = event.shiftKey
      ? 1
      : Math.max(1, Math.round(STEP / view.scale)) * (event.ctrlKey ? 10 : 1);
    this.at = {
      x: clamp(this.at.x + right * far, 0, view.picture.width),
      y: clamp(this.at.y + down * far, 0, view.picture.height),
    };
    if (this.tools.tool === "hand") return view.pan(-right * STEP * 4, -down * STEP * 4);
    view.reveal(this.at);
    this.tools.move(this.at);
    this.show();
  }

  /** @param {KeyboardEvent} event */
  toggle(event) {
    if (this.tools.shape) {
      this.tools.end();
    } else {
      this.tools.begin(this.at, event.altKey);
      say(
        `${this.tools.tool} down at ${this.at.x}, ${this.at.y}; arrows draw, Enter ends, Escape forgets it`,
      );
    }
    this.show();
  }

  show() {
    const brush = this.tools.tool === "brush" || this.tools.tool === "eraser";
    this.stage.aimAt(this.at, brush ? this.tools.size : 0);
  }

  leave() {
    this.tools.cancel();
    this.stage.aimAt(null);
  }
}
