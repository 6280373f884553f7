// Grows a mask by a disc, exactly as `swapfill.masks.grow` does.

/** @param {Uint8Array} alpha 0 to 255, row by row; a pixel is marked from 128 on
 * @param {number} width @param {number} radius whole pixels
 * @returns {Uint8Array} 255 where a marked pixel is at most `radius` away, else 0 */
export function grown(alpha, width, radius) {
  const height = alpha.length / width;
  const down = distancesInColumns(alpha, width, radius + 1);
  // Half the width that a disc around a marked pixel has so many rows above or below it.
  const reach = Int32Array.from({ length: radius + 1 }, (_, rows) =>
    Math.floor(Math.sqrt(radius * radius - rows * rows)),
  );
  const result = new Uint8Array(alpha.length);
  const steps = new Int32Array(width + 1); // where spans begin, and end
  for (let y = 0; y < height; y++) {
    steps.fill(0);
    const row = y * width;
    for (let x = 0; x < width; x++) {
      const rows = down[row + x];
      if (rows > radius) continue;
      steps[Math.max(0, x - reach[rows])]++;
      steps[Math.min(width, x + reach[rows] + 1)]--;
    }
    for (let x = 0, open = 0; x < width; x++) {
      open += steps[x];
      if (open > 0) result[row + x] = 255;
    }
  }
  return result;
}

/** @param {Uint8Array} alpha @param {number} width @param {number} most
 * @returns {Uint16Array} rows to the nearest marked pixel of the same column, at most `most` */
function distancesInColumns(alpha, width, most) {
  const down = new Uint16Array(alpha.length);
  for (let i = 0; i < alpha.length; i++) {
    const above = i < width ? most : down[i - width];
    down[i] = alpha[i] >= 128 ? 0 : Math.min(above + 1, most);
  }
  for (let i = alpha.length - width - 1; i >= 0; i--) {
    down[i] = Math.min(down[i], down[i + width] + 1);
  }
  return down;
}
