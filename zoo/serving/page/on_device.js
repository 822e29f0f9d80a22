// A model as this browser runs it: nothing that is typed leaves the page.
//
// Each class answers what `serving_default` of the server does, to the same instance.

import { hypothesesOf } from "./hypotheses.js";
import { Interpreter } from "./litert.js";
import { SentencePiece } from "./sentencepiece.js";
import { readFile } from "./server.js";

/** Returns the model that `facts` are of, ready to answer. */
export async function openOnDevice(facts) {
  const { files } = facts.browser;
  const read = (file) => files.find((name) => name === file) && readFile(facts, file);
  const [content, tokenizer] = await Promise.all([read("model.tflite"), read("tokenizer.model")]);
  const kind = { text: TextOnDevice, story: StoryOnDevice, sequence: SequenceOnDevice };
  return new kind[facts.modality](
    facts,
    await Interpreter.of(content),
    tokenizer && new SentencePiece(tokenizer),
  );
}

class OnDevice {
  constructor(facts, interpreter, tokenizer) {
    this.facts = facts;
    this.interpreter = interpreter;
    this.tokenizer = tokenizer;
  }

  close() {
    this.interpreter.close();
  }
}

class TextOnDevice extends OnDevice {
  async answer(text) {
    const { signature } = this.facts.browser;
    const [, length] = this.interpreter.shapeOf(signature, "source");
    const ids = this.tokenizer.encode(text).slice(0, length);
    const found = await this.interpreter.run(signature, { source: padded(ids, length) });
    const count = found.lengths.length;
    const steps = found.tokens.length / count;
    const heads = found.alignment && found.alignment.length / (count * steps * length);
    const shape = heads === 1 ? [count, steps, length] : [count, steps, heads, length];
    const hypotheses = hypothesesOf(
      {
        tokens: nested(found.tokens, [count, steps]),
        lengths: Array.from(found.lengths),
        scores: Array.from(found.scores),
        alignment: found.alignment && nested(found.alignment, shape),
      },
      this.tokenizer,
    );
    return { ...hypotheses[0], source_tokens: this.tokenizer.toPieces(ids), hypotheses };
  }
}

class StoryOnDevice extends OnDevice {
  async answer({ story, question }) {
    const [, room, width] = this.interpreter.shapeOf("predict", "story");
    const [, asked] = this.interpreter.shapeOf("predict", "question");
    const sentences = story.filter((sentence) => sentence.trim()).slice(-room);
    const words = new Int32Array(room * width);
    sentences.forEach((sentence, place) => {
      words.set(this.tokenizer.encode(sentence).slice(0, width), place * width);
    });
    const found = await this.interpreter.run("predict", {
      story: words,
      question: padded(this.tokenizer.encode(question).slice(0, asked), asked),
    });
    const rows = found.alignment.length / room; // hops or slots
    return {
      answer: this.tokenizer.decode([found.answer[0]]),
      probability: found.probabilities[found.answer[0]],
      sentences,
      alignment: nested(found.alignment, [rows, room]).map((row) => row.slice(0, sentences.length)),
      reads: found.reads && Array.from(found.reads),
    };
  }
}

// By steps, not by `predict`: it can be interrupted, and a short input takes a short time where the
// file is as long as its longest.
class SequenceOnDevice extends OnDevice {
  async answer({ inputs, length }, signal) {
    const answer = { outputs: [], write_weights: [], read_weights: [] };
    let state = await this.interpreter.run("start", { streams: new Int32Array(1) });
    for (const step of inputs.slice(0, length)) {
      signal?.throwIfAborted();
      state = await this.interpreter.run("step", { ...state, inputs: Float32Array.from(step) });
      const [, heads, rows] = this.interpreter.shapeOf("step", "write_weights");
      answer.outputs.push(Array.from(state.outputs));
      answer.write_weights.push(nested(state.write_weights, [heads, rows]));
      answer.read_weights.push(
        nested(state.read_weights, [state.read_weights.length / rows, rows]),
      );
    }
    return answer;
  }
}

function padded(ids, length) {
  const row = new Int32Array(length);
  row.set(ids);
  return row;
}

/** Returns the numbers of a flat array as lists of lists in a shape. */
function nested(flat, shape) {
  if (shape.length === 1) return Array.from(flat);
  const size = flat.length / shape[0];
  return Array.from({ length: shape[0] }, (_, place) =>
    nested(flat.subarray(place * size, (place + 1) * size), shape.slice(1)),
  );
}
