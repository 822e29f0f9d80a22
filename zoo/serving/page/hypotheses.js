// What a search found, from token ids to texts: the same for the server's ids and the browser's.

const PAD_ID = 0;
const END_ID = 3;

/**
 * Returns the hypotheses of one input, best first: `text`, `score`, `tokens` and `alignment`.
 *
 * @param {Object} found Nested arrays: `tokens` (K, T), `lengths` (K), `scores` (K) and, of a model
 *     with attention, `alignment` (K, T, S), or (K, T, H, S) of one with H heads.
 * @param {SentencePiece} tokenizer
 */
export function hypothesesOf({ tokens, lengths, scores, alignment }, tokenizer) {
  return tokens.map((row, place) => {
    const ids = row.slice(0, lengths[place]).filter((id) => id !== PAD_ID && id !== END_ID);
    return {
      text: tokenizer.decode(ids),
      score: scores[place],
      tokens: tokenizer.toPieces(ids),
      alignment: alignment?.[place],
    };
  });
}
