// A model that reads and writes vectors: what went in and out, and where its memory was used.

import { element } from "./dom.js";
import { TASKS } from "./sequence_tasks.js";
import { timeMap } from "./time_map.js";

const SEEN = 0.1; // the least weight of a row that a head is said to have looked at
const SIZES = [3, 5, 8, 12, 20];

export class SequenceView {
  constructor(facts, onInput) {
    this.task = TASKS[facts.task];
    this.field = element("textarea", { id: "line", rows: 3, spellcheck: "false", input: onInput });
    this.controls = [element("label", { for: "line" }, `Input: ${this.task.form}`), this.field];
    this.result = element("div", { class: "result" });
  }

  /** Returns a few lines to try, the same ones always. */
  examples() {
    const random = generator(1);
    return SIZES.map((size) => ({ input: this.task.draw(random, size) }));
  }

  setInput(line) {
    this.field.value = line;
  }

  /** Returns the instance of `serving_default`. */
  read() {
    this.asked = this.task.encode(this.field.value);
    return { inputs: this.asked.inputs, length: this.asked.inputs.length };
  }

  /** Shows an answer, a note below it, and returns its text. */
  show(answer, note) {
    const { inputs, mask } = this.asked;
    const text = this.task.decode(answer.outputs.filter((_, step) => mask[step]));
    const panels = [
      { title: "read in", rows: transposed(inputs), row: "channel" },
      { title: "written out", rows: transposed(answer.outputs), row: "bit" },
    ];
    if (answer.write_weights) {
      const [written, read] = [answer.write_weights, answer.read_weights].map(summed);
      const used = rowsInUse(written.map((row, place) => [...row, ...read[place]]));
      const weights = (rows) => used.map((place) => rows[place]);
      panels.push(
        { title: "write weights", rows: weights(written), row: "memory row", labels: used },
        { title: "read weights", rows: weights(read), row: "memory row", labels: used },
      );
    }
    this.result.replaceChildren(
      element("output", { class: "answer bits", for: "line" }, text),
      note,
      element(
        "section",
        { "aria-label": "Memory over time" },
        element("h3", {}, "What was read, written and remembered, step by step"),
        timeMap(panels),
      ),
    );
    return text;
  }
}

function transposed(steps) {
  return steps[0].map((_, channel) => steps.map((step) => step[channel]));
}

/** Returns weights (rows, T) of weights (T, heads, rows): several heads are added up. */
function summed(steps) {
  return transposed(
    steps.map((heads) => heads[0].map((_, row) => heads.reduce((sum, head) => sum + head[row], 0))),
  );
}

/** Returns the rows of a circle in order, without its longest run of rows that no head looked at. */
function rowsInUse(rows) {
  const count = rows.length;
  const places = rows.flatMap((row, place) => (Math.max(...row) > SEEN ? [place] : []));
  if (!places.length || places.length === count) return rows.map((_, place) => place);
  const gaps = places.map((place, at) => (places[at + 1] ?? places[0] + count) - place);
  const widest = gaps.indexOf(Math.max(...gaps));
  const first = places[(widest + 1) % places.length];
  return Array.from({ length: count - gaps[widest] + 1 }, (_, step) => (first + step) % count);
}

/** Returns a function that gives numbers from 0 to 1, the same ones for the same seed. */
function generator(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}
