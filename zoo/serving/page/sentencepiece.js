// SentencePiece's encoder and decoder: the ids and texts that its C++ library gives, in the browser.
//
// It reads a `tokenizer.model` as it is, its own table of normalization included (nmt_nfkc or any
// other), of the kinds unigram, word and char, with or without bytes for unknown characters. There
// is no library on npm that a page without a build step can load.
//
// Source: Kudo and Richardson, 2018 (arXiv:1808.06226); Kudo, 2018 (arXiv:1804.10959), section 3.2.

const SPACE = "▁";
const REPLACEMENT = "\uFFFD";
const UNKNOWN_SURFACE = " \u2047 ";
const UNKNOWN_PENALTY = 10;
const NORMAL = 1;
const UNKNOWN = 2;
const CONTROL = 3;
const USER_DEFINED = 4;
const BYTE = 6;
const KINDS = { 1: "unigram", 3: "word", 4: "char" };

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const strictDecoder = new TextDecoder("utf-8", { ignoreBOM: true, fatal: true });

export class SentencePiece {
  /** @param {Uint8Array} model The bytes of a `tokenizer.model`. */
  constructor(model) {
    const { pieces, trainer, normalizer } = parseModel(model);
    this.pieces = pieces;
    this.kind = KINDS[trainer.modelType];
    if (!this.kind) throw new Error(`No tokenizer for SentencePiece's kind ${trainer.modelType}.`);
    if (pieces.some((piece) => piece.type === USER_DEFINED)) {
      throw new Error("No tokenizer for pieces that a user defined.");
    }
    this.byteFallback = trainer.byteFallback;
    this.normalizer = normalizer;
    this.unknownId = pieces.findIndex((piece) => piece.type === UNKNOWN);
    this.idOfByte = new Map();
    this.idOf = new Map(); // of the pieces that a text is cut into
    let longest = 0;
    let lowest = Infinity;
    pieces.forEach(({ piece, score, type }, id) => {
      if (type === BYTE) this.idOfByte.set(Number.parseInt(piece.slice(3, 5), 16), id);
      if (type !== NORMAL) return;
      this.idOf.set(piece, id);
      longest = Math.max(longest, [...piece].length);
      lowest = Math.min(lowest, score);
    });
    this.longestPiece = longest;
    this.unknownScore = Math.fround(lowest - UNKNOWN_PENALTY);
  }

  /** Returns the ids of a text, without start and end. */
  encode(text) {
    const characters = [...this.normalize(text)];
    const cut = { unigram: this.#unigram, word: this.#words, char: this.#characters }[this.kind];
    const ids = [];
    let afterUnknown = false;
    for (const piece of cut.call(this, characters)) {
      const id = this.idOf.get(piece);
      if (id === undefined && this.byteFallback) {
        ids.push(...Array.from(encoder.encode(piece), (byte) => this.idOfByte.get(byte)));
      } else if (id !== undefined || !afterUnknown) {
        ids.push(id ?? this.unknownId); // a run of unknown pieces is one
      }
      afterUnknown = id === undefined;
    }
    return ids;
  }

  /** Returns the text of ids; special tokens have none. */
  decode(ids) {
    const { addDummyPrefix, removeExtraWhitespaces } = this.normalizer;
    let text = "";
    let bytes = [];
    let seenBlank = false; // a blank at the beginning that stands for none was taken away
    const flush = () => {
      if (bytes.length) text += decodeBytes(bytes);
      bytes = [];
    };
    for (const id of ids) {
      let { piece, type } = this.pieces[id];
      if (type === BYTE) {
        bytes.push(Number.parseInt(piece.slice(3, 5), 16));
        continue;
      }
      flush();
      const atStart = !seenBlank && text === "";
      seenBlank = false;
      if (type === CONTROL) continue;
      if (type === UNKNOWN) {
        text += UNKNOWN_SURFACE;
        continue;
      }
      if (atStart && (addDummyPrefix || removeExtraWhitespaces) && piece.startsWith(SPACE)) {
        piece = piece.slice(1);
        seenBlank = !removeExtraWhitespaces;
      }
      text += piece.replaceAll(SPACE, " ");
    }
    flush();
    return text;
  }

  /** Returns each id's piece; a blank is `▁`. */
  toPieces(ids) {
    return ids.map((id) => this.pieces[id].piece);
  }

  /** Returns a text as its pieces are looked for in it: characters replaced, blanks as `▁`. */
  normalize(text) {
    const { addDummyPrefix, removeExtraWhitespaces, escapeWhitespaces, charsMap } = this.normalizer;
    const bytes = encoder.encode(text);
    let position = 0;
    if (removeExtraWhitespaces) {
      while (position < bytes.length) {
        const [replaced, length] = charsMap.replaceAt(bytes, position);
        if (replaced !== " ") break;
        position += length;
      }
    }
    if (position === bytes.length) return "";
    const space = escapeWhitespaces ? SPACE : " ";
    let normalized = addDummyPrefix ? space : "";
    let afterBlank = removeExtraWhitespaces;
    while (position < bytes.length) {
      let [replaced, length] = charsMap.replaceAt(bytes, position);
      position += length;
      while (afterBlank && replaced.startsWith(" ")) replaced = replaced.slice(1);
      if (replaced) {
        normalized += replaced.replaceAll(" ", space);
        afterBlank = removeExtraWhitespaces && replaced.endsWith(" ");
      }
    }
    if (removeExtraWhitespaces) {
      while (normalized.endsWith(space)) normalized = normalized.slice(0, -1);
    }
    return normalized;
  }

  #characters(characters) {
    return characters;
  }

  #words(characters) {
    const words = [];
    for (const character of characters) {
      if (character === SPACE || !words.length) words.push(character);
      else words[words.length - 1] += character;
    }
    return words;
  }

  /** Returns the most probable cut into pieces, by dynamic programming in float32 as the library. */
  #unigram(characters) {
    const count = characters.length;
    const best = new Float32Array(count + 1).fill(-Infinity); // of the cuts that end here
    const from = new Int32Array(count + 1);
    best[0] = 0;
    const offer = (start, end, score) => {
      const candidate = Math.fround(best[start] + score);
      if (candidate > best[end]) {
        best[end] = candidate;
        from[end] = start;
      }
    };
    for (let start = 0; start < count; start++) {
      let piece = "";
      const last = Math.min(count, start + this.longestPiece);
      let alone = false; // a piece of this one character is known
      for (let end = start + 1; end <= last; end++) {
        piece += characters[end - 1];
        const id = this.idOf.get(piece);
        if (id === undefined) continue;
        offer(start, end, this.pieces[id].score);
        alone ||= end === start + 1;
      }
      if (!alone) offer(start, start + 1, this.unknownScore);
    }
    const pieces = [];
    for (let end = count; end > 0; end = from[end]) {
      pieces.push(characters.slice(from[end], end).join(""));
    }
    return pieces.reverse();
  }
}

/** The table of a model that says what becomes of characters: a trie over UTF-8, and its texts. */
class CharsMap {
  /** @param {Uint8Array} blob The size of the trie, the trie as Darts-clone lays it out, texts. */
  constructor(blob) {
    this.units = new Uint32Array(0);
    this.texts = new Uint8Array(0);
    if (!blob.length) return; // of the rule "identity"
    const view = new DataView(blob.buffer, blob.byteOffset, blob.byteLength);
    const size = view.getUint32(0, true);
    this.units = Uint32Array.from({ length: size / 4 }, (_, i) => view.getUint32(4 + 4 * i, true));
    this.texts = blob.subarray(4 + size);
  }

  /** Returns what stands for the longest known text at `position`, and its length in bytes. */
  replaceAt(bytes, position) {
    const [value, length] = this.#longest(bytes, position);
    if (length) {
      const end = this.texts.indexOf(0, value);
      return [decoder.decode(this.texts.subarray(value, end)), length];
    }
    const size = sizeOf(bytes[position]);
    return [decoder.decode(bytes.subarray(position, position + size)), size];
  }

  #longest(bytes, position) {
    let found = [0, 0];
    if (!this.units.length) return found;
    let node = offsetOf(this.units[0]);
    for (let end = position; end < bytes.length; end++) {
      node ^= bytes[end];
      const unit = this.units[node];
      if ((unit & 0x800000ff) >>> 0 !== bytes[end]) break;
      node ^= offsetOf(unit);
      if ((unit >>> 8) & 1) found = [this.units[node] & 0x7fffffff, end + 1 - position];
    }
    return found;
  }
}

function offsetOf(unit) {
  return (unit >>> 10) << ((unit & 0x200) >>> 6);
}

/** Returns the text of bytes; each byte that is no UTF-8 is a replacement character of its own. */
function decodeBytes(bytes) {
  let text = "";
  for (let start = 0; start < bytes.length; ) {
    const size = sizeOf(bytes[start]);
    try {
      text += strictDecoder.decode(new Uint8Array(bytes.slice(start, start + size)));
      start += size;
    } catch {
      text += REPLACEMENT;
      start += 1;
    }
  }
  return text;
}

/** Returns how many bytes of UTF-8 a character has that begins with `first`. */
function sizeOf(first) {
  return first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/** Returns what an encoder needs of a `ModelProto`, with the defaults that the format states. */
function parseModel(bytes) {
  const pieces = [];
  const trainer = { modelType: 1, byteFallback: false };
  const normalizer = {
    charsMap: new CharsMap(new Uint8Array(0)),
    addDummyPrefix: true,
    removeExtraWhitespaces: true,
    escapeWhitespaces: true,
  };
  for (const [field, value] of fieldsOf(bytes)) {
    if (field === 1) {
      const piece = { piece: "", score: 0, type: NORMAL };
      for (const [part, content] of fieldsOf(value)) {
        if (part === 1) piece.piece = decoder.decode(content);
        if (part === 2) piece.score = content.getFloat32(0, true);
        if (part === 3) piece.type = content;
      }
      pieces.push(piece);
    } else if (field === 2) {
      for (const [part, content] of fieldsOf(value)) {
        if (part === 3) trainer.modelType = content;
        if (part === 35) trainer.byteFallback = content === 1;
      }
    } else if (field === 3) {
      for (const [part, content] of fieldsOf(value)) {
        if (part === 2) normalizer.charsMap = new CharsMap(content);
        if (part === 3) normalizer.addDummyPrefix = content === 1;
        if (part === 4) normalizer.removeExtraWhitespaces = content === 1;
        if (part === 5) normalizer.escapeWhitespaces = content === 1;
      }
    }
  }
  return { pieces, trainer, normalizer };
}

/** Yields the fields of a protocol buffer: number and value, which is a number, bytes or a view. */
function* fieldsOf(bytes) {
  let position = 0;
  const varint = () => {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = bytes[position++];
      if (byte === undefined) throw new Error("The tokenizer's file is cut off.");
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
  };
  while (position < bytes.length) {
    const key = varint();
    const wire = key % 8;
    if (wire === 0) {
      yield [Math.floor(key / 8), varint()];
      continue;
    }
    const size = { 1: 8, 2: 0, 5: 4 }[wire];
    if (size === undefined) throw new Error("The tokenizer's file is no protocol buffer.");
    const length = size || varint();
    const value = bytes.subarray(position, position + length);
    if (value.length !== length) throw new Error("The tokenizer's file is cut off.");
    position += length;
    const view = () => new DataView(value.buffer, value.byteOffset, length);
    yield [Math.floor(key / 8), wire === 2 ? value : view()];
  }
}
