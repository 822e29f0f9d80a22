// A model that answers questions about stories: what each hop over its memory looked at.

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
  show({ answer, probability, sentences, alignment }, note) {
    const told = sentences.filter((sentence) => sentence !== "");
    const hops = alignment.map((_, hop) => `hop ${hop + 1}`);
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
        { "aria-label": "Hops" },
        element("h3", {}, "Which sentences each hop looked at"),
        heatMap({
          rows: told,
          columns: hops,
          panels: [{ title: "hops across, sentences down", weights: told.map((_, row) => alignment.map((x) => x[row])) }],
          hint: "Point at a cell, or go to it with Tab and the arrows.",
          describe: (row, hop) => `Hop ${hop + 1} looks at “${told[row]}”:`,
          numbers: true,
        }),
      ),
    );
    return answer;
  }
}
