// Hands files to the person: a result's own bytes, a mask.

/** @typedef {import("./session.js").Version} Version */

import { make } from "./dom.js";
import { fileName } from "./session.js";

/** @param {string} url @param {string} name */
function follow(url, name) {
  make("a", { href: url, download: name }).click();
}

/** Save exactly the bytes that were answered. @param {Version} version */
export function saveVersion(version) {
  saveBlob(version.picture.blob, fileName(version));
  version.saved = true;
}

/** @param {Blob} blob @param {string} name */
export function saveBlob(blob, name) {
  const url = URL.createObjectURL(blob);
  follow(url, name);
  setTimeout(() => URL.revokeObjectURL(url), 60_000); // the browser has read it by then
}
