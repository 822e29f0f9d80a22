// Weights as a table that follows the mouse and the keyboard's focus: darker where larger.

import { element, shown } from "./dom.js";

const LARGE = 16; // columns up to which the cells are drawn larger

/**
 * Returns tables side by side with rows and columns in common, and a line that reads them out.
 *
 * @param {Object} map
 * @param {string[]} map.rows Labels.
 * @param {string[]} map.columns Labels.
 * @param {{title: string, weights: number[][]}[]} map.panels Weights by row, 0 to 1.
 * @param {string} map.hint What to do, while nothing is pointed at.
 * @param {function(number, number): string} map.describe Says in words what a cell links.
 * @param {boolean} map.sentences The labels of rows are sentences, shown whole.
 * @param {boolean} map.numbers Write the weights into the cells.
 */
export function heatMap({ rows, columns, panels, hint, describe, sentences, numbers }) {
  const reading = element("p", { class: "reading", "aria-live": "polite" }, hint);
  const tables = panels.map((panel) => table(panel, { rows, columns, sentences, numbers }));
  const cellOf = (grid, row, column) => grid.rows[row + 1].cells[column + 1];

  let marked = []; // what shows where the pointer or the focus is
  const mark = (row, column) => {
    for (const part of marked) part.classList.remove("on", "line");
    marked = [];
    const add = (part, name) => {
      part.classList.add(name);
      marked.push(part);
    };
    for (const { grid, weights } of tables) {
      for (const cell of grid.rows[row + 1].cells) add(cell, "line");
      for (const line of grid.rows) add(line.cells[column + 1], "line");
      add(cellOf(grid, row, column), "on");
      // Along the top, what the whole row attends to.
      for (const [place, head] of [...grid.rows[0].cells].slice(1).entries()) {
        head.style.setProperty("--weight", weights[row][place]);
      }
    }
    const values = panels.map(({ title, weights }) => {
      const value = shown(weights[row][column]);
      return panels.length > 1 ? `${title} ${value}` : value;
    });
    reading.replaceChildren(describe(row, column), " ", element("b", {}, values.join(" · ")));
  };

  for (const { grid } of tables) {
    const placeOf = (target) => {
      const cell = target.closest("td");
      return cell && [cell.parentNode.rowIndex - 1, cell.cellIndex - 1];
    };
    grid.addEventListener("pointerover", ({ target }) => {
      const place = placeOf(target);
      if (place) mark(...place);
    });
    grid.addEventListener("focusin", ({ target }) => {
      const place = placeOf(target);
      if (!place) return;
      grid.querySelector("td[tabindex='0']").tabIndex = -1;
      target.tabIndex = 0;
      mark(...place);
    });
    grid.addEventListener("keydown", (event) => {
      const place = placeOf(event.target);
      const next = place && moved(event, place, [rows.length, columns.length]);
      if (!next) return;
      event.preventDefault();
      cellOf(grid, ...next).focus();
    });
  }
  return element(
    "div",
    { class: `heat-map ${panels.length === 1 && columns.length <= LARGE ? "large" : ""}` },
    element("div", { class: "panels" }, ...tables.map(({ figure }) => figure)),
    reading,
  );
}

/** Returns the place that a key leads to, or nothing for other keys. */
export function moved({ key, ctrlKey }, [row, column], [rows, columns]) {
  const within = (place, count) => Math.min(Math.max(place, 0), count - 1);
  const places = {
    ArrowUp: [row - 1, column],
    ArrowDown: [row + 1, column],
    ArrowLeft: [row, column - 1],
    ArrowRight: [row, column + 1],
    Home: [ctrlKey ? 0 : row, 0],
    End: [ctrlKey ? rows - 1 : row, columns - 1],
  };
  const place = places[key];
  return place && [within(place[0], rows), within(place[1], columns)];
}

function table({ title, weights }, { rows, columns, sentences, numbers }) {
  const upright = !numbers && columns.some((label) => [...label].length > 2);
  const look = { upright, sentences, numbers };
  const grid = element(
    "table",
    { role: "grid", "aria-label": title, class: Object.keys(look).filter((name) => look[name]).join(" ") },
    element(
      "thead",
      {},
      element(
        "tr",
        {},
        element("td", { class: "corner" }),
        ...columns.map((label) => element("th", { scope: "col" }, element("span", {}, label))),
      ),
    ),
    element(
      "tbody",
      {},
      ...rows.map((label, row) =>
        element(
          "tr",
          {},
          element("th", { scope: "row" }, label),
          ...weights[row].slice(0, columns.length).map((weight) => cell(weight, numbers)),
        ),
      ),
    ),
  );
  grid.querySelector("tbody td").tabIndex = 0;
  const scroller = element("div", { class: "scroller" }, grid);
  const caption = element("figcaption", {}, title);
  return { grid, weights, figure: element("figure", {}, caption, scroller) };
}

function cell(weight, numbers) {
  const made = element("td", { tabindex: -1, "aria-label": shown(weight), "data-weight": weight });
  made.style.setProperty("--weight", weight);
  if (numbers) made.append(shown(weight));
  return made;
}
