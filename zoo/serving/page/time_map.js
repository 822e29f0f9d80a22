// Pictures over time, one below the other, that follow the mouse and the keyboard.

import { element, shown } from "./dom.js";
import { moved } from "./heat_map.js";

const LEAST_WIDTH = 4; // of a step, in CSS pixels
const MOST_WIDTH = 24;
const USUAL_WIDTH = 600; // of a picture
const TALL = 12; // rows from which on they are drawn lower

/**
 * Returns pictures with the steps from left to right, and a line that reads them out.
 *
 * @param {{title: string, rows: number[][], row: string, labels: number[]}[]} panels Values by row
 *     and step; what a row is called, and the rows' numbers, which count from 0 where none are given.
 */
export function timeMap(panels) {
  const steps = panels[0].rows[0].length;
  const width = Math.min(Math.max(Math.floor(USUAL_WIDTH / steps), LEAST_WIDTH), MOST_WIDTH);
  const reading = element(
    "p",
    { class: "reading", "aria-live": "polite" },
    "Point at a step, or go to a picture with Tab and move with the arrows.",
  );
  const pictures = panels.map((panel) => picture(panel, { steps, width }));

  const mark = (chosen, row, step) => {
    for (const { canvas, cursor, height } of pictures) {
      cursor.style.left = `${canvas.offsetLeft + step * width}px`;
      cursor.style.top = `${canvas.offsetTop}px`;
      cursor.style.width = `${width}px`;
      cursor.style.height = `${canvas.offsetHeight}px`;
      cursor.style.setProperty("--row", `${row * height}px`);
      cursor.style.setProperty("--row-height", `${height}px`);
      cursor.classList.toggle("elsewhere", canvas !== pictures[chosen].canvas);
      cursor.hidden = false;
    }
    const { title, rows, row: kind, labels } = panels[chosen];
    reading.replaceChildren(
      `Step ${step + 1}, ${title}, ${kind} ${labels ? labels[row] : row + 1}: `,
      element("b", {}, shown(rows[row][step])),
    );
  };

  pictures.forEach(({ canvas, height }, chosen) => {
    const { rows } = panels[chosen];
    let place = [0, 0];
    const go = (next) => {
      place = next;
      mark(chosen, ...place);
    };
    canvas.addEventListener("pointermove", ({ offsetX, offsetY }) => {
      const row = Math.floor(offsetY / height);
      const step = Math.floor(offsetX / width);
      if (rows[row]?.[step] !== undefined) go([row, step]);
    });
    canvas.addEventListener("focus", () => go(place));
    canvas.addEventListener("keydown", (event) => {
      const next = moved(event, place, [rows.length, steps]);
      if (!next) return;
      event.preventDefault();
      go(next);
    });
  });

  const figures = pictures.flatMap(({ canvas, cursor }, chosen) => [
    element("p", { class: "time-title" }, panels[chosen].title),
    element("div", { class: "time-picture" }, canvas, cursor),
  ]);
  return element(
    "div",
    { class: "time-map" },
    element("div", { class: "scroller" }, ...figures),
    reading,
  );
}

function picture({ title, rows, row }, { steps, width }) {
  const height = rows.length > TALL ? 8 : 12;
  const scale = window.devicePixelRatio || 1;
  const canvas = element("canvas", {
    tabindex: 0,
    role: "img",
    "aria-label": `${title}: ${rows.length} rows, ${row}, over ${steps} steps`,
    width: Math.round(steps * width * scale),
    height: Math.round(rows.length * height * scale),
  });
  canvas.style.width = `${steps * width}px`;
  canvas.style.height = `${rows.length * height}px`;
  const cursor = element("div", { class: "cursor", hidden: true });

  const draw = () => {
    if (!canvas.isConnected) return;
    const { color, backgroundColor } = getComputedStyle(canvas);
    const context = canvas.getContext("2d");
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.globalAlpha = 1;
    context.fillStyle = backgroundColor;
    context.fillRect(0, 0, steps * width, rows.length * height);
    context.fillStyle = color;
    rows.forEach((values, place) => {
      values.forEach((value, step) => {
        context.globalAlpha = Math.min(Math.abs(value), 1);
        if (context.globalAlpha > 0.004) {
          context.fillRect(step * width, place * height, width - 0.5, height - 0.5);
        }
      });
    });
  };
  requestAnimationFrame(draw); // colors are known once it is on the page
  const redraw = () => {
    if (canvas.isConnected) draw();
    else document.removeEventListener("themechange", redraw);
  };
  document.addEventListener("themechange", redraw);
  return { canvas, cursor, height };
}
