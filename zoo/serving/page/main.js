// The page: choose a model, give it an input, look at what it does.

import { element } from "./dom.js";
import { markdown } from "./markdown.js";
import { openOnDevice } from "./on_device.js";
import { OnServer } from "./on_server.js";
import { SequenceView } from "./sequence.js";
import { curlLine, listModels, readFacts, Refused } from "./server.js";
import { StoryView } from "./story.js";
import { TextView } from "./text.js";
import { startTheme } from "./theme.js";

const VIEWS = { text: TextView, story: StoryView, sequence: SequenceView };
const PAUSE_MS = 120; // after a key, for the next one

const part = Object.fromEntries(
  [...document.querySelectorAll("[id]")].map((found) => [found.id, found]),
);

let served; // what the server says of itself
let facts; // of the chosen model
let view; // of its kind of input
let onServer;
let onDevice; // null while the server answers
let example; // the one that the input is, if any
let turn = 0; // of the newest request; older answers are let go
let asking; // aborts the newest request
let pause;
const expected = element("p", { class: "expected", hidden: true });

function say(problem) {
  part.problem.textContent = problem;
}

function said(error) {
  if (!(error instanceof Refused)) console.error(error);
  return error instanceof Refused ? error.message : `Something went wrong: ${error.message}`;
}

async function choose(name) {
  const mine = ++turn;
  say("");
  let found;
  try {
    found = await readFacts(name);
  } catch (error) {
    say(said(error));
    return;
  }
  if (mine !== turn) return;
  leaveDevice();
  facts = found;
  onServer = new OnServer(facts);
  view = new VIEWS[facts.modality](facts, typed);
  facts.examples = [...(view.examples?.() ?? []), ...facts.examples];
  document.title = `${name} · attention-zoo`;
  history.replaceState(null, "", `#${name}`);
  part.model.value = name;
  part.summary.textContent = facts.summary;
  part.input.replaceChildren(...view.controls);
  part.result.replaceChildren(view.result);
  part.card.replaceChildren(...markdown(facts.card));
  showExamples();
  showDevice();
  useExample(0);
}

function showExamples() {
  const label = ({ input, reason }) => {
    const text = typeof input === "string" ? input : `${input.question} (${input.story.length})`;
    const short = text.length > 48 ? `${text.slice(0, 47)}…` : text;
    return reason ? `${short} (it fails)` : short;
  };
  part.example.replaceChildren(
    element("option", { value: "" }, "Your own"),
    ...facts.examples.map((found, place) => element("option", { value: place }, label(found))),
  );
}

function useExample(place) {
  example = facts.examples[place];
  part.example.value = example ? place : "";
  if (example) view.setInput(example.input);
  update();
}

function typed() {
  example = undefined;
  part.example.value = "";
  clearTimeout(pause);
  pause = setTimeout(update, PAUSE_MS);
}

async function update() {
  clearTimeout(pause);
  asking?.abort();
  asking = new AbortController();
  const { signal } = asking;
  const mine = ++turn;
  try {
    const instance = view.read();
    part.curl.textContent = curlLine(facts, instance);
    part.result.setAttribute("aria-busy", "true");
    const started = performance.now();
    const answer = await (onDevice ?? onServer).answer(instance, signal);
    if (mine !== turn) return;
    const milliseconds = Math.max(1, Math.round(performance.now() - started));
    say("");
    showExpected(view.show(answer, expected));
    part.status.textContent = `${onDevice ? "This browser" : "The server"}, ${milliseconds} ms`;
  } catch (error) {
    if (mine !== turn || error.name === "AbortError") return;
    say(said(error));
    part.status.textContent = "";
  }
  part.result.removeAttribute("aria-busy");
}

function showExpected(text) {
  const known = example?.expected !== undefined;
  expected.hidden = !known;
  if (!known) return;
  const right = text === example.expected;
  expected.replaceChildren(
    element("span", { class: right ? "right" : "other" }, right ? "As expected." : "Reference: "),
    right ? "" : element("q", {}, example.expected),
    example.reason ? ` It is known to fail here: ${example.reason}.` : "",
  );
}

// The switch to this browser.

function showDevice() {
  const reason = whyNotHere();
  part.device.disabled = reason !== null;
  const megabytes = facts.browser && Math.max(0.1, facts.browser.bytes / 1e6).toFixed(1);
  part["device-note"].textContent =
    reason ?? `Nothing you type leaves the page then. It fetches 10 MB of LiteRT and ${megabytes} MB of model.`;
}

/** Returns why this model cannot run in a browser, or null. */
function whyNotHere() {
  if (!facts.browser) return "This server has no .tflite of the model that a browser could run.";
  if (!served.runs_in_browser) {
    return `To run it here: ${served.install_command}, then zoo serve --browser-runtime DIR.`;
  }
  return null;
}

function leaveDevice() {
  onDevice?.close();
  onDevice = null;
  part.device.setAttribute("aria-checked", "false");
}

async function switchDevice() {
  if (onDevice) {
    leaveDevice();
    update();
    return;
  }
  const chosen = facts;
  part.device.disabled = true;
  part.status.textContent = "Fetching LiteRT and the model …";
  try {
    const opened = await openOnDevice(chosen);
    if (chosen !== facts) {
      opened.close();
      return;
    }
    onDevice = opened;
    part.device.setAttribute("aria-checked", "true");
  } catch (error) {
    if (chosen === facts) say(`This browser cannot run the model: ${error.message}`);
  }
  if (chosen !== facts) return;
  part.device.disabled = false;
  if (onDevice) update();
}

async function copy() {
  await navigator.clipboard.writeText(part.curl.textContent);
  part.copy.textContent = "Copied";
  setTimeout(() => (part.copy.textContent = "Copy"), 1500);
}

async function start() {
  // Strings are refused wherever a browser would read HTML or script (Content-Security-Policy);
  // the one that LiteRT's loader needs is the address of its own file here.
  const runtime = new URL("page/runtime/", document.baseURI).href;
  window.trustedTypes?.createPolicy("default", {
    createScriptURL: (url) => (new URL(url, document.baseURI).href.startsWith(runtime) ? url : null),
  });
  startTheme(part.theme);
  part.copy.hidden = !navigator.clipboard;
  part.copy.addEventListener("click", copy);
  part.device.addEventListener("click", switchDevice);
  part.model.addEventListener("change", () => choose(part.model.value));
  part.example.addEventListener("change", () => {
    if (part.example.value !== "") useExample(Number(part.example.value));
  });
  try {
    served = await listModels();
  } catch (error) {
    say(said(error));
    return;
  }
  const names = served.models.map(({ name }) => name);
  part.model.replaceChildren(...names.map((name) => element("option", {}, name)));
  const asked = location.hash.slice(1);
  if (!names.length) say("No model is served at the moment.");
  else await choose(names.includes(asked) ? asked : names[0]);
  addEventListener("hashchange", () => {
    const name = location.hash.slice(1);
    if (names.includes(name) && name !== facts.name) choose(name);
  });
}

start();
