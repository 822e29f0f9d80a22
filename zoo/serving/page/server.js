// The server as this page asks it: TensorFlow Serving's REST API, and the few files beside it.

const here = (path) => new URL(path, document.baseURI);

/** What the server, or the browser in its place, says instead of an answer. */
export class Refused extends Error {}

async function fetched(path, options) {
  let response;
  try {
    response = await fetch(here(path), options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused("The server does not answer.");
  }
  if (response.ok) return response;
  const body = await response.json().catch(() => ({}));
  throw new Refused(body.error ?? `The server answered with status ${response.status}.`);
}

/** Returns what is served: `models`, and whether a browser may run them. */
export async function listModels() {
  return (await fetched("page/models.json")).json();
}

/** Returns what the page needs to know of a model. */
export async function readFacts(name) {
  return (await fetched(`page/models/${name}.json`)).json();
}

/** Returns the bytes of a model's file. */
export async function readFile(facts, file) {
  const response = await fetched(`page/models/${facts.name}/${facts.version}/${file}`);
  return new Uint8Array(await response.arrayBuffer());
}

function predictPath(facts) {
  return `v1/models/${facts.name}:predict`;
}

/** Returns what a signature answers to one instance: an object with its outputs. */
export async function predict(facts, instance, { signature, signal } = {}) {
  const body = JSON.stringify(requestBody(instance, signature));
  const response = await fetched(predictPath(facts), { method: "POST", body, signal });
  return (await response.json()).predictions[0];
}

function requestBody(instance, signature) {
  return { ...(signature && { signature_name: signature }), instances: [instance] };
}

/** Returns the line for a shell that asks the same. */
export function curlLine(facts, instance) {
  const body = JSON.stringify(requestBody(instance)).replaceAll("'", `'\\''`);
  return `curl -d '${body}' ${here(predictPath(facts))}`;
}
