// A picture as it was opened or answered: its bytes, never touched, and how it is shown.

import { context } from "./dom.js";

/** @typedef {{blob: Blob, name: string, url: string, width: number, height: number,
 *   transparent: boolean}} Picture upright sizes in pixels; `url`: of what shows it, which is another
 *   file where the browser cannot; `transparent`: some of it can be filled */

const ALPHA = 256; // pixels; the side at which a picture is searched for transparent places

/** @param {Blob} blob @param {string} name of its file @param {Blob} [shown] what shows it
 * @returns {Promise<Picture | null>} null: this browser cannot show it */
export async function read(blob, name, shown = blob) {
  const url = URL.createObjectURL(shown);
  const image = new Image();
  image.src = url;
  try {
    await image.decode();
  } catch {
    URL.revokeObjectURL(url);
    return null;
  }
  const { naturalWidth: width, naturalHeight: height } = image;
  return { blob, name, url, width, height, transparent: seesThrough(image) };
}

/** @param {HTMLImageElement} image */
function seesThrough(image) {
  const canvas = document.createElement("canvas");
  const scale = Math.min(1, ALPHA / Math.max(image.naturalWidth, image.naturalHeight));
  canvas.width = Math.max(1, Math.round(image.naturalWidth * scale));
  canvas.height = Math.max(1, Math.round(image.naturalHeight * scale));
  const pen = context(canvas, { willReadFrequently: true });
  pen.drawImage(image, 0, 0, canvas.width, canvas.height);
  const { data } = pen.getImageData(0, 0, canvas.width, canvas.height);
  return data.some((value, index) => index % 4 === 3 && value < 255);
}

/** @param {string} name @param {string} addition @param {string} [suffix] in place of its own
 * @returns {string} `photo.jpg` with "filled": `photo-filled.jpg` */
export function named(name, addition, suffix) {
  const dot = name.lastIndexOf(".");
  const stem = dot > 0 ? name.slice(0, dot) : name;
  return `${stem}-${addition}${suffix ?? (dot > 0 ? name.slice(dot) : "")}`;
}
