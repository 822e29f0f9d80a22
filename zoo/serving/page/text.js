// A model from text to text: a line in, hypotheses and their alignment out.

import { element, visible } from "./dom.js";
import { heatMap } from "./heat_map.js";

export class TextView {
  constructor(facts, onInput) {
    this.field = element("textarea", { id: "text", rows: 2, spellcheck: "false", input: onInput });
    this.controls = [element("label", { for: "text" }, "Text"), this.field];
    this.result = element("div", { class: "result" });
  }

  setInput(text) {
    this.field.value = text;
  }

  /** Returns the instance of `serving_default`; line ends, which no model here has seen, are blanks. */
  read() {
    return this.field.value.replaceAll(/\r?\n/g, " ");
  }

  /** Shows an answer, a note below it, and returns its text to compare with what was expected. */
  show(answer, note) {
    const sourceTokens = answer.source_tokens.filter((piece) => piece !== "");
    const hypotheses = answer.hypotheses ?? [answer];
    const picture = element("div");
    const choose = (chosen) => {
      picture.replaceChildren(alignmentOf(hypotheses[chosen], sourceTokens));
      buttons.forEach((button, place) => button.setAttribute("aria-pressed", place === chosen));
    };
    const buttons = hypotheses.map((hypothesis, place) =>
      element(
        "button",
        { type: "button", "aria-pressed": "false", click: () => choose(place) },
        element("span", {}, hypothesis.text),
        element("span", { class: "score" }, hypothesis.score.toFixed(4)),
      ),
    );
    const best = hypotheses[0];
    this.result.replaceChildren(
      element("output", { class: "answer", for: "text" }, best.text || "(nothing)"),
      element(
        "p",
        { class: "score-line" },
        "score ",
        element("b", { class: "score" }, best.score.toFixed(4)),
        ", the logarithm of its probability",
      ),
      note,
      ...(hypotheses.length > 1
        ? [
            element("h3", {}, `The ${hypotheses.length} best`),
            element("ol", { class: "best" }, ...buttons.map((made) => element("li", {}, made))),
          ]
        : []),
      picture,
    );
    choose(0);
    return best.text;
  }
}

function alignmentOf({ tokens, alignment }, sourceTokens) {
  const pieces = tokens.filter((piece) => piece !== "");
  if (!alignment) {
    return element("p", { class: "note" }, "This model has no attention: nothing to align.");
  }
  if (!pieces.length || !sourceTokens.length) {
    return element("p", { class: "note" }, "Nothing was written, so there is nothing to align.");
  }
  const [rows, columns] = [pieces.map(visible), sourceTokens.map(visible)];
  const weights = alignment.slice(0, rows.length);
  return element(
    "section",
    { "aria-label": "Alignment" },
    element("h3", {}, "Where each output looked"),
    heatMap({
      rows,
      columns,
      panels: panelsOf(weights),
      hint: "Point at a cell, or go to it with Tab and the arrows.",
      describe: (row, column) => `“${rows[row]}” looks at “${columns[column]}”:`,
    }),
  );
}

/** Returns the weights as panels: of several heads each its own, and then their mean. */
function panelsOf(weights) {
  if (!Array.isArray(weights[0][0])) return [{ title: "read across, written down", weights }];
  const heads = weights[0].map((_, head) => ({
    title: `head ${head + 1}`,
    weights: weights.map((row) => row[head]),
  }));
  const mean = weights.map((row) =>
    row[0].map((_, column) => row.reduce((sum, head) => sum + head[column], 0) / row.length),
  );
  return [...heads, { title: "mean", weights: mean }];
}
