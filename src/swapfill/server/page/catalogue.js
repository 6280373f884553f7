// What this server can be asked for: models, methods, and its limits.

import { find, make } from "./dom.js";

/** @typedef {{name: string, about: string, learned: boolean, heedsSeed: boolean}} Way */
/** @typedef {{upload_bytes: number, pixels: number, styles: number}} Limits */
/** @typedef {import("./api.js").Api} Api */

export class Catalogue {
  constructor() {
    /** @type {Way[]} */
    this.ways = [];
    /** @type {Limits} */
    this.limits = { upload_bytes: Infinity, pixels: Infinity, styles: Infinity };
    this.style = true;
  }

  /** @param {Api} api */
  async load(api) {
    const { models, methods, limits, style } = await (await api.request("v1/models")).json();
    this.limits = limits;
    this.style = style;
    this.ways = [
      ...models.map((/** @type {any} */ model) => ({
        name: model.name,
        about: model.description,
        learned: true,
        heedsSeed: model.settings.matching === "coherent",
      })),
      ...methods.map((/** @type {any} */ { name, about }) => ({
        name,
        about,
        learned: false,
        heedsSeed: false,
      })),
    ];
    find("method", HTMLSelectElement).replaceChildren(
      ...this.ways.map(({ name, about }) => make("option", { value: name, title: about }, name)),
    );
  }

  /** @param {string} name @returns {boolean} a model fills, not a classical method */
  learned(name) {
    return this.ways.find((way) => way.name === name)?.learned ?? false;
  }

  /** @param {string} name @returns {boolean} another seed is another answer */
  heedsSeed(name) {
    return this.ways.find((way) => way.name === name)?.heedsSeed ?? false;
  }

  /** Say at once what the server would refuse after a long upload.
   * @param {import("./picture.js").Picture} picture */
  check({ name, width, height, blob }) {
    this.checkBytes(name, blob);
    if (width * height > this.limits.pixels) {
      const [found, wanted] = [width * height, this.limits.pixels].map(
        (n) => Math.round(n / 1e5) / 10,
      );
      throw new Error(`${name}: it has ${found} megapixels, want at most ${wanted}`);
    }
  }

  /** @param {string} name @param {Blob} blob */
  checkBytes(name, blob) {
    if (blob.size > this.limits.upload_bytes) {
      const [found, wanted] = [blob.size, this.limits.upload_bytes].map((n) =>
        Math.round(n / 2 ** 20),
      );
      throw new Error(`${name}: it has ${found} MiB, want at most ${wanted}`);
    }
  }
}
