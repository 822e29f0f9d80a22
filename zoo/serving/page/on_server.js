// A model as the server runs it.

import { hypothesesOf } from "./hypotheses.js";
import { SentencePiece } from "./sentencepiece.js";
import { predict, readFile } from "./server.js";

export class OnServer {
  #facts;
  #tokenizer;

  constructor(facts) {
    this.#facts = facts;
  }

  /** Returns what `serving_default` gives; with a beam also `hypotheses`, all that it found. */
  async answer(instance, signal) {
    const asked = predict(this.#facts, instance, { signal });
    if (this.#facts.modality !== "text" || this.#facts.beam_size === 1) return asked;
    const [answer, hypotheses] = await Promise.all([asked, this.#hypotheses(instance, signal)]);
    return { ...answer, hypotheses };
  }

  // `serving_default` has the best one alone; `generate`, on token ids, has them all.
  async #hypotheses(text, signal) {
    this.#tokenizer ??= readFile(this.#facts, "tokenizer.model").then(
      (model) => new SentencePiece(model),
    );
    const tokenizer = await this.#tokenizer;
    const source = tokenizer.encode(text).slice(0, this.#facts.limits.max_source_length);
    if (!source.length) return undefined;
    const found = await predict(this.#facts, { source }, { signature: "generate", signal });
    return hypothesesOf(found, tokenizer);
  }
}
