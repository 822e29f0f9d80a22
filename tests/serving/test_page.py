"""The page of `zoo serve` as people use it: in Chromium, by mouse, keyboard and phone."""

import base64
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from cases import ROOT, published
from playwright.sync_api import expect, sync_playwright

import zoo
from zoo import paths
from zoo.data.algorithmic import TASKS
from zoo.data.dataset import sample_pairs
from zoo.data.stories import sample_examples
from zoo.errors import ZooError
from zoo.layout import TOKENIZER
from zoo.models import preset
from zoo.serving.browser_runtime import install_command, read_browser_runtime
from zoo.text.tokenizer import Tokenizer, train_tokenizer

pytestmark = pytest.mark.xdist_group("page")  # one server and one browser for all

DATES = "seq2seq_attention_dates"
TRANSLATION = "transformer_tiny_multi30k_en_de"
MACHINE = "neural_turing_machine_copy"
STORIES = {"memory_network_test": (), "entity_network_test": ("--set", "model.slots=24")}
MODELS = (DATES, TRANSLATION, MACHINE)
PATIENCE_MS = 60_000  # on a machine that is busy with other things
SWITCHES = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
# An 8-bit model rounds what passes through it, and kernels for other processors round otherwise:
# LiteRT's own three sets of kernels differ by 0.012 in a score of this kind.
ROUNDING = 0.02


@pytest.fixture(scope="session")
def browser_runtime() -> Path:
    """Returns a folder with LiteRT for browsers, which npm fetches once into the zoo's cache."""
    folder = paths.cache() / "browser-runtime"
    if not folder.is_dir():
        with paths.new_folder(folder) as partial:
            command = shlex.split(install_command(partial))
            subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="session")
def site(start_serving, browser_runtime):
    return start_serving(*MODELS, "--workers", "1", "--browser-runtime", browser_runtime)


@pytest.fixture(scope="module")
def chromium():
    programs = ("chromium", "chromium-browser", "google-chrome")
    program = next(filter(None, map(shutil.which, programs)), None)
    assert program, f"The page's tests need a Chromium: none of {', '.join(programs)} is there."
    with sync_playwright() as playwright:
        with playwright.chromium.launch(executable_path=program, args=SWITCHES) as browser:
            yield browser


@pytest.fixture
def open_page(chromium, site):
    """Returns a function that opens the page at a model, and waits for its first answer.

    Fails at the end on a request to another host, on an error in a script, and on anything that
    the Content-Security-Policy has kept from happening.
    """
    contexts, wrong = [], []

    def open_page(name: str = DATES, *, server=site, **options):
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        origin = f"http://127.0.0.1:{server.port}"
        context.on(
            "request", lambda x: x.url.startswith(f"{origin}/") or wrong.append(f"asked {x.url}")
        )
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: wrong.append(f"said {dialog.message}"))
        page.on(
            "console",
            lambda x: wrong.append(x.text) if "Content Security Policy" in x.text else None,
        )
        page.goto(f"{origin}/#{name}")
        answered(page)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrong == []


def answered(page):
    """Waits for the answer to the latest input."""
    page.wait_for_selector("#result:not([aria-busy]) .answer")


def type_in(page, name: str, text: str) -> None:
    """Types a text over what is there, and waits for its answer."""
    page.locator("#input textarea").fill(text)
    instance = text
    if name == MACHINE:
        inputs = TASKS["copy"]().encode(text).inputs[0].astype(int).tolist()
        instance = {"inputs": inputs, "length": len(inputs)}
    asked = json.dumps([instance], ensure_ascii=False, separators=(",", ":"))
    # The request stands beside the page as soon as it is sent.
    expect(page.locator("#curl")).to_contain_text(asked.replace("'", "'\\''"))
    answered(page)


def choose_example(page, place: int) -> None:
    page.select_option("#example", str(place))
    answered(page)


def cells(page, panel: int = 0) -> np.ndarray:
    """Returns the weights that a heat map is drawn from, `(rows, columns)`."""
    weights = (
        page.locator("table[role=grid]")
        .nth(panel)
        .evaluate(
            "found => [...found.tBodies[0].rows].map((row) =>"
            " [...row.querySelectorAll('td')].map((cell) => Number(cell.dataset.weight)))"
        )
    )
    return np.array(weights, float)


def readings(page) -> list[float]:
    """Returns what is read out along the diagonals of the pictures over time, if there are any."""
    found = []
    for picture in page.locator("canvas").all():
        picture.focus()
        for key in ("Control+Home", *("ArrowRight", "ArrowDown") * 3, "Control+End", "ArrowUp"):
            page.keyboard.press(key)
            found.append(float(page.locator(".reading b").text_content()))
    return found


def served_answer(server, name: str, instance) -> dict:
    answer = server.predict({"instances": [instance]}, name)
    assert answer.status == 200, answer.body
    return answer.body["predictions"][0]


# The page


def test_typing_gives_the_date_as_it_is_typed(open_page):
    page = open_page()
    page.locator("#text").fill("")
    page.locator("#text").press_sequentially("september 27, 1994")
    expect(page.locator(".answer")).to_have_text("1994-09-27")
    expect(page.locator("#example")).to_have_value("")  # it is nobody's example
    expect(page.locator("#status")).to_contain_text("The server, ")


def test_cells_and_score_are_the_servers(open_page, site):
    page = open_page()
    page.locator("#text").fill("May 3, 2001")
    expect(page.locator(".answer")).to_have_text("2001-05-03")
    answer = served_answer(site, DATES, "May 3, 2001")
    assert cells(page).tolist() == answer["alignment"][: len("2001-05-03")]
    expect(page.locator(".score-line .score")).to_have_text(f"{answer['score']:.4f}")


def test_the_heat_map_follows_the_mouse(open_page):
    page = open_page()
    page.locator("#text").fill("May 3, 2001")
    expect(page.locator(".answer")).to_have_text("2001-05-03")
    weights = cells(page)
    page.locator(".heat-map tbody tr").nth(9).locator("td").nth(4).hover()  # the last 3, and the 3
    expect(page.locator(".reading")).to_have_text(f"“3” looks at “3”: {weights[9, 4]:.3f}")
    top = page.locator(".heat-map thead th").evaluate_all(
        "found => found.map((head) => Number(head.style.getPropertyValue('--weight')))"
    )
    np.testing.assert_allclose(top, weights[9])  # along the top, all that the row looks at
    page.locator(".heat-map tbody tr").nth(0).locator("td").nth(7).hover()
    expect(page.locator(".reading")).to_have_text(f"“2” looks at “2”: {weights[0, 7]:.3f}")


def test_an_example_is_answered_and_compared(open_page):
    page = open_page()
    source, target = sample_pairs(preset(DATES).data)[1]
    choose_example(page, 1)
    expect(page.locator("#text")).to_have_value(source)
    expect(page.locator(".answer")).to_have_text(target)
    expect(page.locator(".expected")).to_have_text("As expected.")
    choose_example(page, page.locator("#example option").count() - 2)  # the card's
    expect(page.locator(".answer")).to_have_text("1994-09-29")
    expect(page.locator(".expected")).to_contain_text("1994-09-27")
    expect(page.locator(".expected")).to_contain_text("no training date has its day before")


def test_everything_is_reached_by_keyboard(open_page):
    page = open_page()
    reached = []
    for _ in range(12):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id || document.activeElement.tagName"))
        if reached[-1] == "TD":
            break
    assert reached == ["A", "theme", "model", "example", "device", "text", "TD"]
    weights = cells(page)
    for key in ("ArrowDown", "ArrowRight", "ArrowRight"):
        page.keyboard.press(key)
    expect(page.locator(".reading b")).to_have_text(f"{weights[1, 2]:.3f}")
    page.keyboard.press("Control+End")
    expect(page.locator(".reading b")).to_have_text(f"{weights[-1, -1]:.3f}")
    page.keyboard.press("ArrowDown")  # no further than the last
    expect(page.locator(".reading b")).to_have_text(f"{weights[-1, -1]:.3f}")
    page.keyboard.press("Shift+Tab")
    page.keyboard.type("x")
    expect(page.locator("#text")).to_have_value(re.compile("x"))


def test_what_is_typed_is_never_markup(open_page):
    page = open_page(TRANSLATION)
    page.evaluate("window.ran = false")
    text = "<img src=x onerror='window.ran = true'><script>window.ran = true</script> A dog."
    type_in(page, TRANSLATION, text)
    assert page.locator("img, main script").count() == 0
    assert page.evaluate("window.ran") is False
    refused = page.evaluate("try { document.body.innerHTML = '<b>'; 'set' } catch { 'refused' }")
    assert refused == "refused"  # whatever a module may forget


def test_every_control_has_a_name(open_page):
    page = open_page(TRANSLATION)
    unnamed = page.locator(
        "button, select, textarea, input, canvas, table[role=grid]"
    ).evaluate_all(
        "found => found.filter((x) => !(x.ariaLabel || x.labels?.length || x.textContent.trim()))"
        ".map((x) => x.outerHTML)"
    )
    assert unnamed == []


@pytest.mark.parametrize("name", MODELS)
def test_a_phone_needs_no_sideways_scrolling(open_page, name):
    page = open_page(name, viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    assert_fits_a_phone(page)


def assert_fits_a_phone(page):
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    wider = page.locator("main > *, .answer, textarea, select").evaluate_all(
        "found => found.filter((x) => x.getBoundingClientRect().right > 360).length"
    )
    assert wider == 0


def test_dark_is_the_systems_or_the_switchs(open_page):
    def is_dark(page):
        color = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return sum(map(int, re.findall("[0-9]+", color)[:3])) < 3 * 64

    assert not is_dark(open_page(color_scheme="light"))
    page = open_page(color_scheme="dark")
    switch = page.get_by_role("switch", name="Dark")
    expect(switch).to_have_attribute("aria-checked", "true")
    assert is_dark(page)
    switch.click()
    assert not is_dark(page)
    page.reload()
    answered(page)
    expect(switch).to_have_attribute("aria-checked", "false")
    assert not is_dark(page)


def test_heads_stand_side_by_side_and_then_their_mean(open_page, site):
    page = open_page(TRANSLATION)
    source = page.locator("#text").input_value()
    answer = served_answer(site, TRANSLATION, source)
    titles = page.locator("figcaption").all_text_contents()
    assert titles == ["head 1", "head 2", "head 3", "head 4", "mean"]
    rows = len([piece for piece in answer["tokens"] if piece])
    heads = np.array(answer["alignment"])[:rows]  # (T, H, S)
    assert cells(page, 2).tolist() == heads[:, 2].tolist()
    np.testing.assert_allclose(cells(page, 4), heads.mean(axis=1), rtol=1e-12)
    tops = [page.locator("figure").nth(place).bounding_box()["y"] for place in (0, 1)]
    assert tops[0] == tops[1]


def test_the_memory_over_time_is_the_servers(open_page, site):
    page = open_page(MACHINE)
    page.locator("#line").fill("10110010 01101001")
    expect(page.locator(".answer")).to_have_text("10110010 01101001")
    inputs = TASKS["copy"]().encode("10110010 01101001").inputs[0]
    answer = served_answer(site, MACHINE, {"inputs": inputs.tolist(), "length": len(inputs)})
    written, read = page.locator("canvas").nth(1), page.locator("canvas").nth(3)
    written.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowRight", "ArrowDown"):
        page.keyboard.press(key)
    expect(page.locator(".reading")).to_have_text(
        f"Step 4, written out, bit 2: {answer['outputs'][3][1]:.3f}"
    )
    read.focus()
    page.keyboard.press("End")
    found = re.fullmatch(
        r"Step 5, read weights, memory row ([0-9]+): (.*)", page.locator(".reading").text_content()
    )
    assert found[2] == f"{answer['read_weights'][4][0][int(found[1])]:.3f}"
    page.locator("#line").fill("1011")
    expect(page.get_by_role("alert")).to_have_text(
        "Expected vectors of 8 bits, as in '10110010 01101001'. Received: '1011'."
    )


def test_a_model_without_attention_says_so(open_page, start_serving):
    server = start_serving("seq2seq_plain_dates", "--workers", "1")
    page = open_page("seq2seq_plain_dates", server=server)
    expect(page.locator(".result")).to_contain_text("no attention")
    # A server without the browser's runtime says how to get it.
    expect(page.locator("#device")).to_be_disabled()
    expect(page.locator("#device-note")).to_contain_text("npm install --prefix DIR @litertjs/core")


def test_a_beam_shows_its_best_and_the_alignment_of_each(open_page, start_serving, browser_runtime):
    options = ("--workers", "1", "--beam-size", "4", "--browser-runtime", browser_runtime)
    server = start_serving(DATES, *options)
    page = open_page(server=server)
    text = "12/11/10"
    [expected] = zoo.load(DATES, beam_size=4).n_best([text], 4)
    page.locator("#text").fill(text)
    buttons = page.locator(".best button")
    shown = [f"{result.text}{result.score:.4f}" for result in expected]
    expect(buttons).to_have_text(shown)
    buttons.nth(2).click()
    np.testing.assert_allclose(cells(page), expected[2].alignment, rtol=1e-6)
    page.get_by_role("switch", name="Run in this browser").click()
    expect(page.locator("#status")).to_contain_text("This browser, ")
    texts = [button.locator("span").first.text_content() for button in buttons.all()]
    assert texts == [result.text for result in expected]


@pytest.mark.parametrize("text", ["O'Brien's 5/3/01", 'a "b" \\ $HOME `ls` ü ３'])
def test_the_curl_line_asks_the_same(open_page, site, text):
    page = open_page()
    type_in(page, DATES, text)
    program, option, body, url = shlex.split(page.locator("#curl").text_content())
    assert (program, option, urlsplit(url).port) == ("curl", "-d", site.port)
    answer = site.rest("POST", urlsplit(url).path, body.encode())
    assert answer.body["predictions"] == [served_answer(site, DATES, text)]


@pytest.fixture(scope="session", params=STORIES)
def story_model(request, tmp_path_factory) -> Path:
    """Returns the folder of a model of stories after four steps of training."""
    folder = tmp_path_factory.mktemp("story")
    module = f"zoo.models.{preset(request.param).family}.train"
    options = ["--set", "train.steps=4", *STORIES[request.param]]
    train = [module, "--preset", request.param, *options]
    export = ["zoo", "export", folder / "run", "--format", "litert", "--to", folder]
    for command in ([*train, "--output", folder / "run"], export):
        subprocess.run([sys.executable, "-m", *command], check=True, capture_output=True)
    return folder / request.param / "1"


@pytest.mark.slow
def test_a_story_is_shown_with_its_hops_or_slots(
    open_page, start_serving, story_model, browser_runtime
):
    name = story_model.parent.name
    server = start_serving(story_model, "--workers", "1", "--browser-runtime", browser_runtime)
    page = open_page(name, server=server)
    choose_example(page, 3)
    example = sample_examples("babi_qa")[3]
    expect(page.locator("#question")).to_have_value(example.question)
    asked = {"story": list(example.sentences), "question": example.question}
    answer = served_answer(server, name, asked)
    rows = [sentence for sentence in answer["sentences"] if sentence]
    weights = np.transpose(answer["alignment"])[: len(rows)]
    heading = "Which sentences each hop looked at"
    if "reads" in answer:
        rows, weights = [*rows, "the question"], np.vstack([weights, answer["reads"]])
        heading = "Which sentences each slot took in, and what the question read"
    expect(page.locator(".answer")).to_have_text(answer["answer"])
    expect(page.locator(".score-line .score")).to_have_text(f"{answer['probability']:.3f}")
    expect(page.get_by_role("heading", name=heading)).to_be_visible()
    assert page.locator(".heat-map tbody th").all_text_contents() == rows
    assert cells(page).tolist() == weights.tolist()
    page.set_viewport_size({"width": 360, "height": 740})
    assert_fits_a_phone(page)
    page.get_by_role("switch", name="Run in this browser").click()
    expect(page.locator("#status")).to_contain_text("This browser, ")
    expect(page.locator(".answer")).to_have_text(answer["answer"])
    np.testing.assert_allclose(cells(page), weights, atol=ROUNDING)
    page.locator("#question").fill("")
    expect(page.get_by_role("alert")).to_have_text("Ask a question about the story.")


# On the device

INPUTS = {
    DATES: [
        "september 27, 1994", "Thursday, May 27, 2004", "９/２５/１６", "  NOV   19,\u00a02008 ",
        "日本 9/27/94 €€", "", "x" * 50,
    ],
    TRANSLATION: ["Two dogs are running through the snow.", "Ein ﬁlm ½ über €", ""],
    MACHINE: ["10110010 01101001", "11111111 00000000 10101010 01010101 11110000", "00000001"],
}  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
def test_the_browser_answers_as_the_server(open_page, browser_runtime, name):
    page = open_page(name)
    switch = page.get_by_role("switch", name="Run in this browser")

    def answers() -> list[dict]:
        found = []
        for text in INPUTS[name]:
            type_in(page, name, text)
            score = page.locator(".score-line .score")
            panels = range(page.locator("table[role=grid]").count())
            found.append(
                {
                    "text": page.locator(".answer").text_content(),
                    "score": float(score.text_content()) if score.count() else 0.0,
                    "source": page.locator(".heat-map thead").all_text_contents(),
                    "cells": [cells(page, panel) for panel in panels],
                    "readings": readings(page),
                }
            )
        return found

    of_server = answers()
    switch.click()
    expect(page.locator("#status")).to_contain_text("This browser, ")
    asked = []
    page.context.on("request", lambda request: asked.append(request.url))
    of_browser = answers()
    assert asked == []
    for ours, theirs in zip(of_browser, of_server, strict=True):
        assert (ours["text"], ours["source"]) == (theirs["text"], theirs["source"])
        assert ours["score"] == pytest.approx(theirs["score"], abs=ROUNDING)
        for mine, its in zip(ours["cells"], theirs["cells"], strict=True):
            np.testing.assert_allclose(mine, its, atol=ROUNDING)
        np.testing.assert_allclose(ours["readings"], theirs["readings"], atol=ROUNDING)
    switch.click()
    expect(page.locator("#status")).to_contain_text("The server, ")
    assert [url.rpartition("/")[2] for url in asked] == [f"{name}:predict"]


def _tokenizer(kind: str) -> bytes:
    if kind == "char":
        return published(DATES).read(TOKENIZER)
    if kind == "unigram":
        return published(TRANSLATION).read(TOKENIZER)
    if kind == "word":
        found = sample_examples("babi_qa")
        texts = [text for x in found for text in (*x.sentences, x.question, x.answer)]
        return train_tokenizer(texts, kind="word", vocab_size=_words(texts)).model
    pairs = sample_pairs(preset(TRANSLATION).data)
    texts = [text for pair in pairs for text in pair]
    return train_tokenizer(texts, kind="unigram_bytes", vocab_size=400).model


def _words(texts: list[str]) -> int:
    plain = (re.sub("[.?!]", "", text.lower()) for text in texts)
    return 4 + len({word for text in plain for word in text.split()})


def _strings() -> list[str]:
    """Returns texts with what a tokenizer may stumble over, and drawn ones of all planes."""
    generator = np.random.default_rng(0)
    planes = [(0x20, 0x7F), (0xA0, 0x250), (0x300, 0x370), (0x2000, 0x2100), (0x3000, 0x3100),
              (0x4E00, 0x4F00), (0xAC00, 0xAD00), (0xF900, 0xFB10), (0xFE00, 0x10000),
              (0x1D400, 0x1D500), (0x1F300, 0x1F400)]  # fmt: skip
    drawn = []
    for _ in range(400):
        low, high = planes[generator.integers(len(planes))]
        codes = generator.integers(low, high, generator.integers(1, 12)).tolist()
        ascii = generator.integers(0x20, 0x7F, 6).tolist()
        mixed = generator.permutation(codes + ascii).tolist()
        drawn.append("".join(map(chr, mixed)))
    return [
        "", " ", "   ", "a", "▁", " ▁ a▁b ", "A man is riding a bike.",
        "tab\tand\u00a0others\u3000",
        "Zwei Hünde ﬁnden ½ Ⅷ ㎏", "\u200bzero\ufeff", "e\u0301\u0327", "\0\x01x\x7f",
        "\ufffd", "👩‍👩‍👧",
        "Where is Mary?", "mary went, to the KITCHEN!", "<unk><s></s><pad>", "a" * 300,
        *(source for source, _ in sample_pairs(preset(TRANSLATION).data)), *drawn,
    ]  # fmt: skip


@pytest.mark.parametrize("kind", ["char", "unigram", "unigram_bytes", "word"])
def test_the_browsers_tokenizer_is_sentencepieces(open_page, kind):
    model = _tokenizer(kind)
    tokenizer, strings = Tokenizer(model), _strings()
    ids = tokenizer.encode(strings)
    generator = np.random.default_rng(1)
    drawn = [generator.integers(0, tokenizer.vocab_size, 9).tolist() for _ in range(100)]
    found = open_page().evaluate(
        """async ([model, strings, drawn]) => {
            const { SentencePiece } = await import("/page/sentencepiece.js");
            const bytes = Uint8Array.from(atob(model), (x) => x.charCodeAt(0));
            const tokenizer = new SentencePiece(bytes);
            const ids = strings.map((text) => tokenizer.encode(text));
            return {
                ids,
                texts: [...ids, ...drawn].map((row) => tokenizer.decode(row)),
                pieces: ids.map((row) => tokenizer.toPieces(row)),
            };
        }""",
        [base64.b64encode(model).decode(), strings, drawn],
    )
    assert found["ids"] == ids
    assert found["pieces"] == [tokenizer.pieces(row) for row in ids]
    assert found["texts"] == [tokenizer.decode(row) for row in [*ids, *drawn]]


LINES = {
    "copy": ["10110010\t01101001", " 1 ", "", "102"],
    "repeat_copy": ["3: 10110010", " 12 :10110010 01101001", "0: 10110010", "3 10110010", "100: 1"],
    "associative_recall": [
        "101101 011010 111000; 000111 110011 010101 ? 101101 011010 111000",
        "101101 011010 111000; 000111 110011 010101 ? 000111 110011 010101",
        "101101 011010 111000; 000111 110011 010101",
    ],
    "dynamic_ngrams": ["0110100110", " 011010 ", "01101", "0110102"],
    "priority_sort": ["0.52:10110010 -0.1:01101001", "1:10110010", "2:10110010 0:10110010", "x"],
}


@pytest.mark.parametrize("task", TASKS)
def test_the_browser_reads_lines_as_the_zoo(open_page, task):
    ours = open_page().evaluate(
        """async ([name, lines]) => {
            const { TASKS } = await import("/page/sequence_tasks.js");
            const task = TASKS[name];
            const drawn = [3, 5, 12].map((size) => task.draw(Math.random, size));
            return [...lines, ...drawn].map((line) => {
                try {
                    const { inputs, mask } = task.encode(line);
                    const answer = mask.map((_, step) => Array(9).fill((step % 3) / 2));
                    return { line, inputs, mask, text: task.decode(answer) };
                } catch (error) {
                    return { line, error: error.message };
                }
            });
        }""",
        [task, LINES[task]],
    )
    assert len([found for found in ours if "inputs" in found]) >= 4
    for found in ours:
        try:
            expected = TASKS[task]().encode(found["line"])
        except ZooError as error:
            assert found["error"] == str(error)
            continue
        np.testing.assert_allclose(found["inputs"], expected.inputs[0], rtol=1e-6)
        assert found["mask"] == expected.mask[0].tolist()
        steps = np.arange(len(found["mask"]))[:, None]
        answer = np.tile(steps % 3 / 2, (1, 9))
        assert found["text"] == TASKS[task]().decode(answer)


# What the server sends


def test_files_come_with_types_tags_and_one_policy(site, browser_runtime):
    page = site.rest("GET", "/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = dict(x.split(" ", 1) for x in page.headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert set(policy["connect-src"].split()) == {"'self'"}
    assert "unsafe-inline" not in str(policy) and "'unsafe-eval'" not in str(policy)
    again = site.rest("GET", "/", headers={"If-None-Match": page.headers["etag"]})
    assert (again.status, again.body) == (304, b"")
    types = {"page/style.css": "text/css", "page/main.js": "text/javascript",
             "page/runtime/wasm/litert_wasm_internal.wasm": "application/wasm",
             f"page/models/{DATES}/1/model.tflite": "application/octet-stream"}  # fmt: skip
    for path, type in types.items():
        found = site.rest("GET", f"/{path}")
        assert (found.status, found.headers["content-type"].split(";")[0]) == (200, type)
    assert found.body == (ROOT / "exports" / DATES / "1" / "model.tflite").read_bytes()
    head = site.rest("HEAD", "/page/main.js")
    assert (head.status, head.body) == (200, b"")


@pytest.mark.parametrize(
    "path",
    ["/page/", "/page/nothing.js", "/page/../serve.py", "/page/%2e%2e/serve.py",
     f"/page/models/{DATES}/1/manifest.json", f"/page/models/{DATES}/2/model.tflite",
     "/page/models/../1/model.tflite", "/page/models/unknown.json", "/page/runtime/../core.js",
     "/favicon.ico"],
)  # fmt: skip
def test_nothing_else_is_sent(site, path):
    answer = site.rest("GET", path)
    assert (answer.status, answer.error) == (404, "Not found.")


def test_the_page_is_read_only(site):
    answer = site.rest("POST", "/page/models.json", b"{}")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD")
    assert answer.error == "Expected GET or HEAD."


def test_a_server_without_the_browsers_runtime_allows_no_wasm(start_serving):
    server = start_serving("seq2seq_plain_dates", "--workers", "1")
    assert "wasm" not in server.rest("GET", "/").headers["content-security-policy"]
    assert server.rest("GET", "/page/runtime/core.js").status == 404


def test_a_browsers_runtime_of_other_bytes_is_refused(browser_runtime, tmp_path):
    with pytest.raises(ZooError, match="npm install --prefix .* @litertjs/core@"):
        read_browser_runtime(tmp_path / "nothing")
    shutil.copytree(browser_runtime, tmp_path / "changed")
    [core] = (tmp_path / "changed").glob("node_modules/@litertjs/core/dist/index.js")
    core.write_bytes(core.read_bytes() + b"//")
    with pytest.raises(ZooError, match=r"index\.js is damaged.*npm install"):
        read_browser_runtime(tmp_path / "changed")
