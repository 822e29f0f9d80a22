// The tasks of zoo.data.algorithmic: what a person types, as the vectors that a model reads.
//
// Each has `encode`, which returns `inputs` (T, width) and `mask` (T), true where an answer is due;
// `decode`, which makes text of the answer's vectors; and `draw`, which returns a line to try.

import { Refused } from "./server.js";

class Task {
  wrong(line) {
    const start = line.length <= 60 ? line : `${line.slice(0, 60)}...`;
    return new Refused(`Expected ${this.form}. Received: '${start}'.`);
  }

  vectors(text, line) {
    const words = wordsOf(text);
    if (!words.length || words.some((word) => word.length !== this.bits || /[^01]/.test(word))) {
      throw this.wrong(line);
    }
    return words.map((word) => Array.from(word, Number));
  }

  decode(answer) {
    return answer.map(asWord).join(" ");
  }
}

class Copy extends Task {
  form = "vectors of 8 bits, as in '10110010 01101001'";
  bits = 8;

  encode(line) {
    const vectors = this.vectors(line, line);
    const asked = [...vectors.map((vector) => [...vector, 0]), [...Array(8).fill(0), 1]];
    return askedThenAnswered(asked, vectors.length);
  }

  draw(random, size) {
    return drawn(random, size, 8).join(" ");
  }
}

class RepeatCopy extends Task {
  form = "a number of repeats, 1 to 99, and vectors of 8 bits, as in '3: 10110010'";
  bits = 8;

  encode(line) {
    const [, digits, rest] = line.match(/^\s*([0-9]{1,2})\s*:(.*)$/s) ?? [];
    if (!Number(digits)) throw this.wrong(line);
    const vectors = this.vectors(rest, line);
    const asked = vectors.map((vector) => [...vector, 0, 0]);
    asked.push([...Array(8).fill(0), 1, Number(digits) / 10]);
    return askedThenAnswered(asked, vectors.length * Number(digits) + 1);
  }

  decode(answer) {
    return answer.map((step) => (step[8] >= 0.5 ? "end" : asWord(step.slice(0, 8)))).join(" ");
  }

  draw(random, size) {
    const count = Math.min(size, 10);
    return `${1 + Math.floor(random() * 4)}: ${drawn(random, count, 8).join(" ")}`;
  }
}

class AssociativeRecall extends Task {
  form =
    "two or more items of three vectors of 6 bits, separated by ';', then '?' and one of them " +
    "but the last, as in '101101 011010 111000; 000111 110011 010101 ? 101101 011010 111000'";
  bits = 6;

  encode(line) {
    const mark = line.indexOf("?");
    const listed = mark < 0 ? line : line.slice(0, mark);
    const items = listed.split(";").map((item) => this.vectors(item, line));
    const query = this.vectors(mark < 0 ? "" : line.slice(mark + 1), line);
    if (items.some((item) => item.length !== 3)) throw this.wrong(line);
    if (!items.slice(0, -1).some((item) => String(item) === String(query))) throw this.wrong(line);
    const bits = (vector) => [...vector, 0, 0];
    const before = [...Array(6).fill(0), 1, 0];
    const around = [...Array(6).fill(0), 0, 1];
    const asked = items.flatMap((item) => [before, ...item.map(bits)]);
    return askedThenAnswered([...asked, around, ...query.map(bits), around], 3);
  }

  draw(random, size) {
    const items = Array.from({ length: 2 + (size % 5) }, () => drawn(random, 3, 6).join(" "));
    const asked = Math.floor(random() * (items.length - 1));
    return `${items.join("; ")} ? ${items[asked]}`;
  }
}

class DynamicNGrams extends Task {
  form = "6 bits or more, as in '0110100110'";
  context = 5;

  encode(line) {
    const bits = trimmed(line);
    if (bits.length <= this.context || /[^01]/.test(bits)) throw this.wrong(line);
    const inputs = Array.from(bits.slice(0, -1), (bit) => [Number(bit)]);
    return { inputs, mask: inputs.map((_, place) => place >= this.context - 1) };
  }

  decode(answer) {
    return answer.map(asWord).join("");
  }

  draw(random, size) {
    const table = Array.from({ length: 32 }, () => (random() < 0.5 ? 0.1 : 0.9));
    let bits = drawn(random, 1, 5)[0];
    while (bits.length < 5 + size * 4) {
      const chance = table[Number.parseInt(bits.slice(-5), 2)];
      bits += random() < chance ? "1" : "0";
    }
    return bits;
  }
}

class PrioritySort extends Task {
  form =
    "two or more vectors of 8 bits, each after its priority from -1 to 1, as in " +
    "'0.52:10110010 -0.1:01101001'";
  bits = 8;

  encode(line) {
    const pairs = wordsOf(line).map((word) => word.match(/^([^:]*):(.*)$/) ?? [word, word, "none"]);
    if (pairs.length < 2) throw this.wrong(line);
    const vectors = this.vectors(pairs.map(([, , vector]) => vector || "none").join(" "), line);
    const priorities = pairs.map(([, priority]) => (priority ? Number(priority) : NaN));
    if (!priorities.every((priority) => Math.abs(priority) <= 1)) throw this.wrong(line);
    const asked = vectors.map((vector, place) => [...vector, priorities[place], 0]);
    asked.push([...Array(9).fill(0), 1]);
    return askedThenAnswered(asked, Math.floor((vectors.length * 4) / 5));
  }

  draw(random, size) {
    const count = Math.max(2, size);
    return drawn(random, count, 8)
      .map((vector) => `${(random() * 2 - 1).toFixed(2)}:${vector}`)
      .join(" ");
  }
}

export const TASKS = {
  copy: new Copy(),
  repeat_copy: new RepeatCopy(),
  associative_recall: new AssociativeRecall(),
  dynamic_ngrams: new DynamicNGrams(),
  priority_sort: new PrioritySort(),
};

function askedThenAnswered(asked, answers) {
  const silence = Array(asked[0].length).fill(0);
  return {
    inputs: [...asked, ...Array.from({ length: answers }, () => silence)],
    mask: [...asked.map(() => false), ...Array(answers).fill(true)],
  };
}

function asWord(step) {
  return step.map((bit) => (bit >= 0.5 ? "1" : "0")).join("");
}

function drawn(random, count, bits) {
  const vector = () => Array.from({ length: bits }, () => (random() < 0.5 ? "0" : "1")).join("");
  return Array.from({ length: count }, vector);
}

function trimmed(text) {
  return text.replace(/^\s+|\s+$/g, "");
}

function wordsOf(text) {
  return text.split(/\s+/).filter(Boolean);
}
