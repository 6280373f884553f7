// The pictures of this session: each fill is a version that knows what it was made of.

import { named } from "./picture.js";

/** @typedef {import("./mask.js").Hole} Hole */
/** @typedef {import("./picture.js").Picture} Picture */
/** @typedef {{method: string, note: string, seconds: number}} Made how, for people */
/** @typedef {{picture: Picture, parent: Version | null, root: Version | null, hole: Hole | null,
 *   made: Made | null, title: string, saved: boolean}} Version `hole`: what was filled; `made`: here;
 *   `root`: what was opened, null if it is that itself */

/** Emits "change". */
export class Session extends EventTarget {
  constructor() {
    super();
    /** @type {Version[]} of the picture that is open, in the order they were made */
    this.versions = [];
    /** @type {Version | null} */
    this.current = null;
    /** @type {Version[]} of all pictures */
    this.results = [];
    /** @type {Version[]} that were opened together with what they were made of */
    this.given = [];
    /** @type {Version[]} that undo has left */
    this.ahead = [];
  }

  /** Begin with a picture from outside. @param {Picture} picture */
  open(picture) {
    this.go(fromOutside(picture, null));
  }

  /** Begin with a picture and what was made of it elsewhere.
   * @param {Picture} original @param {Picture} result */
  openBoth(original, result) {
    const version = fromOutside(result, fromOutside(original, null));
    this.given.push(version);
    this.go(version);
  }

  /** Go on with what was made of a version.
   * @param {Version} parent @param {Picture} picture @param {Hole | null} hole @param {Made} made */
  add(parent, picture, hole, made) {
    const root = parent.root ?? parent;
    const title = String(1 + this.results.filter((other) => other.root === root).length);
    const version = { picture, parent, root, hole, made, title, saved: false };
    this.results.push(version);
    this.go(version);
  }

  /** @param {Version} version of this session, of whichever picture
   * @param {Version[]} [ahead] what undo has left on the way */
  go(version, ahead = []) {
    this.versions = this.family(version.root ?? version);
    this.current = version;
    this.ahead = ahead;
    this.dispatchEvent(new Event("change"));
  }

  /** @param {Version} root @returns {Version[]} */
  family(root) {
    return [root, ...[...this.given, ...this.results].filter((version) => version.root === root)];
  }

  /** Go back to what the current version was made of. @returns {Version | null} what was left */
  back() {
    const left = this.current;
    if (!left?.parent) return null;
    this.go(left.parent, [...this.ahead, left]);
    return left;
  }

  /** Undo a `back`. */
  forth() {
    const ahead = [...this.ahead];
    const version = ahead.pop();
    if (version) this.go(version, ahead);
  }
}

/** @param {Picture} picture @param {Version | null} root @returns {Version} */
function fromOutside(picture, root) {
  const title = root ? "Result" : "Original";
  return { picture, parent: root, root, hole: null, made: null, title, saved: true };
}

/** @param {Version} version @returns {string} of the file it is saved as */
export function fileName(version) {
  return version.root && version.made
    ? named(version.root.picture.name, `filled-${version.title}`)
    : version.picture.name;
}
