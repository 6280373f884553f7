// Ways in for a picture: the button, dropping, pasting. And for a mask: its button.

import { complain, hush, say } from "./announce.js";
import { button, find, input } from "./dom.js";
import { read } from "./picture.js";

/** @typedef {import("./catalogue.js").Catalogue} Catalogue */
/** @typedef {import("./session.js").Session} Session */
/** @typedef {import("./stage.js").Stage} Stage */
/** @typedef {import("./work.js").Work} Work */
/** @typedef {(files: File[]) => void} Take */

/** @param {Session} session @param {Catalogue} catalogue @param {Work} work
 * @returns {(file: File) => Promise<void>} */
export function opener(session, catalogue, work) {
  /** @param {File} file @param {string} name @param {AbortSignal} signal */
  const asked = (file, name, signal) => {
    catalogue.checkBytes(name, file);
    return work.preview(file, name, signal);
  };
  return async (file) => {
    if (work.busy) return complain("Something is being filled: wait for it, or cancel it.");
    const name = file.name || "picture.png";
    try {
      const picture =
        (await read(file, name)) ?? (await work.during((signal) => asked(file, name, signal)));
      if (!picture) return; // why has been said
      catalogue.check(picture);
      hush();
      session.open(picture);
      say(
        `${picture.name}, ${picture.width} by ${picture.height} pixels. Brush over what should go.`,
      );
    } catch (error) {
      complain(error);
    }
  };
}

/** Let a button open the file dialog of a hidden field.
 * @param {string[]} buttons @param {string} field @param {Take} take */
export function chooser(buttons, field, take) {
  const files = input(field);
  for (const id of buttons) button(id).addEventListener("click", () => files.click());
  files.addEventListener("change", () => {
    const chosen = [...(files.files ?? [])];
    files.value = ""; // so that the same file can be chosen again
    if (chosen.length) take(chosen);
  });
}

/** Dropped anywhere, pasted anywhere. @param {Take} take */
export function receive(take) {
  const veil = find("drop", HTMLElement);
  let depth = 0; // a drag enters each element it crosses
  const carries = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes("Files");
  addEventListener("dragenter", (event) => {
    if (carries(event)) veil.hidden = ++depth < 1;
  });
  addEventListener("dragleave", (event) => {
    if (carries(event)) veil.hidden = --depth < 1;
  });
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", (event) => {
    event.preventDefault();
    depth = 0;
    veil.hidden = true;
    accept(event.dataTransfer, take);
  });
  addEventListener("paste", (event) => accept(event.clipboardData, take));
}

/** @param {DataTransfer | null} data @param {Take} take */
function accept(data, take) {
  const files = [...(data?.files ?? [])];
  if (files.length) take(files);
}

/** @param {Stage} stage @param {Work} work @returns {(file: File) => Promise<void>} */
export function maskLoader(stage, work) {
  return async (file) => {
    if (!stage.picture) return;
    try {
      const bitmap = await createImageBitmap(file).catch(async () => {
        const { signal } = new AbortController(); // it is small
        return createImageBitmap(await work.shown(file, file.name, signal));
      });
      const { width, height } = bitmap;
      stage.mask.load(bitmap);
      bitmap.close();
      const same = width === stage.mask.width && height === stage.mask.height;
      say(same ? "Mask loaded." : `Mask loaded, resized from ${width} by ${height}.`);
      stage.dispatchEvent(new Event("edit"));
    } catch (error) {
      complain(error);
    }
  };
}
