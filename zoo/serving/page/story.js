// A model that answers questions about stories: what each hop over its memory looked at, or what
// each slot of its memory took in and gave to the answer.

import { element, shown } from "./dom.js";
import { heatMap } from "./heat_map.js";
import { Refused } from "./server.js";

export class StoryView {
  constructor(facts, onInput) {
    this.limits = facts.limits;
    this.story = element("textarea", { id: "story", rows: 7, spellcheck: "false", input: onInput });
    this.question = element("input", { id: "question", spellcheck: "false", input: onInput });
    this.controls = [
      element("label", { for: "story" }, "Story, a sentence a line"),
      this.story,
      element("label", { for: "question" }, "Question"),
      this.question,
    ];
    this.result = element("div", { class: "result" });
  }

  setInput({ story, question }) {
    this.story.value = story.join("\n");
    this.question.value = question;
  }

  /** Returns the instance of `serving_default`. */
  read() {
    const story = this.story.value.split(/\r?\n/).filter((sentence) => sentence.trim());
    const question = this.question.value;
    if (!story.length) throw new Refused("Tell a story: a sentence a line.");
    if (!question.trim()) throw new Refused("Ask a question about the story.");
    return { story, question };
  }

  /** Shows an answer, a note below it, and returns its text. */
  show({ answer, probability, sentences, alignment, reads }, note) {
    const told = sentences.filter((sentence) => sentence !== "");
    const weights = told.map((_, row) => alignment.map((x) => x[row]));
    this.result.replaceChildren(
      element("output", { class: "answer", for: "story question" }, answer),
      element(
        "p",
        { class: "score-line" },
        "probability ",
        element("b", { class: "score" }, shown(probability)),
        " among all words",
      ),
      note,
      element(
        "section",
        { "aria-label": "Attention" },
        ...(reads ? slots(told, weights, reads) : hops(told, weights)),
      ),
    );
    return answer;
  }
}

const HINT = "Point at a cell, or go to it with Tab and the arrows.";

function hops(told, weights) {
  return [
    element("h3", {}, "Which sentences each hop looked at"),
    heatMap({
      rows: told,
      columns: weights[0].map((_, hop) => `hop ${hop + 1}`),
      panels: [{ title: "hops across, sentences down", weights }],
      hint: HINT,
      describe: (row, hop) => `Hop ${hop + 1} looks at “${told[row]}”:`,
      sentences: true,
      numbers: true,
    }),
  ];
}

function slots(told, weights, reads) {
  return [
    element("h3", {}, "Which sentences each slot took in, and what the question read"),
    heatMap({
      rows: [...told, "the question"],
      columns: reads.map((_, slot) => `${slot + 1}`),
      panels: [{ title: "slots across, sentences down", weights: [...weights, reads] }],
      hint: HINT,
      describe: (row, slot) =>
        row < told.length
          ? `Slot ${slot + 1} opens to “${told[row]}”:`
          : `The question reads slot ${slot + 1}:`,
      sentences: true,
    }),
  ];
}
