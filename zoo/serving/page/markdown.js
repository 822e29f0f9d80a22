// The Markdown of a model's card, as elements: headings, paragraphs, tables, code, strong words.

import { element } from "./dom.js";

/** Returns the elements of a text. */
export function markdown(text) {
  return text
    .trim()
    .split(/\n{2,}/)
    .map(block);
}

function block(text) {
  const heading = text.match(/^(#{1,4}) (.*)$/);
  if (heading) return element(`h${heading[1].length + 1}`, {}, ...inline(heading[2]));
  const lines = text.split("\n");
  if (lines.every((line) => line.startsWith("    "))) {
    return element("pre", {}, element("code", {}, lines.map((line) => line.slice(4)).join("\n")));
  }
  if (lines.length > 1 && lines.every((line) => line.startsWith("|"))) return table(lines);
  return element("p", {}, ...inline(text.replaceAll("\n", " ")));
}

function table(lines) {
  const rows = lines
    .filter((_, place) => place !== 1)
    .map((line) => line.split("|").slice(1, -1).map((cell) => cell.trim()));
  const [head, ...body] = rows.map((row, place) =>
    element("tr", {}, ...row.map((cell) => element(place ? "td" : "th", {}, ...inline(cell)))),
  );
  const empty = rows[0].every((cell) => cell === "");
  const made = element("table", {}, ...(empty ? [] : [element("thead", {}, head)]));
  made.append(element("tbody", {}, ...body));
  return element("div", { class: "scroller" }, made);
}

function inline(text) {
  return text.split(/(`[^`]+`|\*\*[^*]+\*\*)/).map((part) => {
    if (/^`[^`]+`$/.test(part)) return element("code", {}, part.slice(1, -1));
    if (/^\*\*[^*]+\*\*$/.test(part)) return element("strong", {}, part.slice(2, -2));
    return part;
  });
}
