// The shapes that mark: strokes, rectangles, lassos. They are in the picture's pixels, so they are
// drawn the same at full size and on the screen.

/** @typedef {{x: number, y: number}} Point */
/** @typedef {{kind: "stroke" | "rectangle" | "lasso", erase: boolean, size: number,
 *   points: Point[]}} Shape `size`: the stroke's width; a rectangle has two points, its corners */
/** @typedef {{x: number, y: number, width: number, height: number}} Box whole pixels */

/** Draw a whole shape in the context's fill colour, or take it away.
 * @param {CanvasRenderingContext2D} pen @param {Shape} shape */
export function draw(pen, shape) {
  pen.save();
  pen.globalCompositeOperation = shape.erase ? "destination-out" : "source-over";
  const path = outline(shape);
  if (shape.kind === "stroke") {
    pen.strokeStyle = pen.fillStyle;
    pen.lineWidth = shape.size;
    pen.lineCap = pen.lineJoin = "round";
    pen.stroke(path);
  } else {
    pen.fill(path, "nonzero");
  }
  pen.restore();
}

/** @param {Shape} shape @returns {Path2D} its middle line or its rim */
export function outline({ kind, points }) {
  const path = new Path2D();
  const [first, ...others] = points;
  if (kind === "rectangle") {
    const last = points[points.length - 1];
    path.rect(first.x, first.y, last.x - first.x, last.y - first.y);
    return path;
  }
  path.moveTo(first.x, first.y);
  // Through the middles of the sampled points, which are the curve's handles: no corners.
  let before = first;
  for (const point of others) {
    path.quadraticCurveTo(before.x, before.y, (before.x + point.x) / 2, (before.y + point.y) / 2);
    before = point;
  }
  // A line of no length has no caps: a hair of it makes a single point a dot.
  path.lineTo(before.x + (others.length ? 0 : 1e-3), before.y);
  if (kind === "lasso") path.closePath();
  return path;
}

/** @param {Shape} shape @param {number} width @param {number} height of the picture
 * @returns {Box | null} what it can change; null: it lies beside the picture */
export function reach(shape, width, height) {
  const margin = (shape.kind === "stroke" ? shape.size / 2 : 0) + 1;
  const xs = shape.points.map((point) => point.x);
  const ys = shape.points.map((point) => point.y);
  const left = Math.max(0, Math.floor(least(xs) - margin));
  const top = Math.max(0, Math.floor(least(ys) - margin));
  const right = Math.min(width, Math.ceil(-least(xs.map((x) => -x)) + margin));
  const bottom = Math.min(height, Math.ceil(-least(ys.map((y) => -y)) + margin));
  if (left >= right || top >= bottom) return null;
  return { x: left, y: top, width: right - left, height: bottom - top };
}

/** @param {number[]} values too many, maybe, to be arguments of Math.min */
const least = (values) => values.reduce((a, b) => Math.min(a, b), Infinity);
