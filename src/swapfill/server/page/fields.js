// A job's fields, as the HTTP interface names them.

/** @typedef {import("./picture.js").Picture} Picture */
/** @typedef {{method?: string, feather?: number, refine?: number, seed?: number}} Options */

/** @param {"inpaint" | "style"} kind @param {Picture} picture @param {Blob | null} mask
 * @returns {FormData} */
export function form(kind, picture, mask) {
  const made = new FormData();
  made.append("kind", kind);
  made.append("picture", picture.blob, picture.name);
  if (mask) made.append("mask", mask, "mask.png");
  return made;
}

/** What is 0 or empty is the server's own default, and is not sent.
 * @param {Picture} picture @param {Blob | null} hole without one, the transparent places
 * @param {Options} options */
export function filling(picture, hole, options) {
  const made = form("inpaint", picture, hole);
  for (const [name, value] of Object.entries(options)) if (value) made.append(name, String(value));
  return made;
}
