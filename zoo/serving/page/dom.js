// Elements from plain text: the only way in which this page puts anything on the screen.

/**
 * Returns a new element.
 *
 * @param {string} tag
 * @param {Object} attributes `class`, `aria-label` and so on; a function is a listener of the event
 *     that it is named after; true stands for an attribute without a value, false and null for none.
 * @param {...(Node|string)} children Strings become text, never HTML.
 */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name, value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

/** Returns a piece of a tokenizer as people read it: SentencePiece's sign for a blank is a blank. */
export function visible(piece) {
  return piece === "▁" ? "␣" : piece.replaceAll("▁", " ").trim();
}

/** Returns a weight or a probability with as many digits as are worth reading. */
export function shown(weight) {
  return weight.toFixed(3);
}
