"""Tools that people run by hand, on shapes small enough for a test."""

import json
import subprocess
import sys

import pytest
from cases import ROOT, run_python

TINY = {
    "vocab_size": 40, "width": 16, "feed_forward_width": 24, "num_heads": 2, "num_layers": 1,
    "source_length": 7, "longest": 32, "beam_size": 3,
}  # fmt: skip


@pytest.mark.slow
def test_peers_are_compared_and_a_missing_one_is_told(zoo, tmp_path):
    absent = tmp_path / "absent"
    absent.mkdir()
    error = "ModuleNotFoundError('No module named', name='ctranslate2')"
    (absent / "ctranslate2.py").write_text(f"raise {error}\n")
    options = ["--only", "growth", "--rounds", "2", "--json"]
    options += [word for name, size in TINY.items() for word in ("--set", f"{name}={size}")]
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "compare_peers.py", *options],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**zoo.environment(), "PYTHONPATH": str(absent)},
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["shape"].items() >= TINY.items() and found["rounds"] == 2
    growth = found["parts"]["growth"]
    rows = {row["contestant"]: row for row in growth["rows"]}
    assert set(rows) == {
        f"{library} int8, {search}, {tokens} tokens"
        for library in ("LiteRT", "CTranslate2")
        for search in ("greedy", "beam 3")
        for tokens in (16, 32)
    }
    for name, row in rows.items():
        if name.startswith("CTranslate2"):
            assert row["error"] == "ctranslate2 is not installed"
        else:
            assert 0 < row["min_ms"] <= row["median_ms"]
            assert row["ms_per_token"] == row["median_ms"] / row["tokens"]
    for ratio in growth["ratios"]:
        long, short = rows[ratio["contestant"]], rows[ratio["against"]]
        assert (long["tokens"], short["tokens"]) == (32, 16)
        if "error" in long:
            assert ratio["ratio"] is None
        else:
            assert ratio["ratio"] == long["median_ms"] / short["median_ms"]


SHAPES_THAT_DIFFER = """
import json, time
from functools import partial
from contest import Contestant, Part, Ratio, as_text, measure

sleeps = {"long": partial(time.sleep, 0.1), "short": partial(time.sleep, 0.02)}
contestants = [Contestant(name, partial, sleep) for name, sleep in sleeps.items()]
part = measure(Part("Sleepers", contestants, [Ratio("long", ["short"], 1.0)]), rounds=2)
print(json.dumps([part, as_text(part)]))
"""


def test_contestants_of_any_shapes_are_compared():
    part, text = json.loads(run_python(SHAPES_THAT_DIFFER, PYTHONPATH=str(ROOT / "tools")))
    medians = {row["contestant"]: row["median_ms"] for row in part["rows"]}
    assert part["ratios"][0]["ratio"] == medians["long"] / medians["short"] > 1
    assert "long / short: " in text and ", missed" in text and "ms/token" not in text


def test_a_shape_that_is_none_is_refused_in_a_line(zoo, tmp_path):
    tool = ROOT / "tools" / "compare_peers.py"
    done = zoo("--set", "width=", program=(str(tool),))
    done.refused("width", "int")


VARIANTS = """
from compare_attention import PRESET, VARIANTS, settings
from comparison import assignments
from zoo import models
from zoo.config import override

for variant in VARIANTS:
    config = override(models.preset(PRESET), assignments(settings(variant))).model
    print(config.attention.score, config.attention.window, config.attention.selection, sep=", ")
"""


def test_every_attention_to_compare_is_one_that_a_model_takes():
    compared = run_python(VARIANTS, PYTHONPATH=str(ROOT / "tools")).splitlines()
    assert len(compared) == 12
    scores = ("dot", "scaled_dot", "general", "additive", "concat", "cosine", "location")
    others = ("local_m, soft", "local_p, soft", "global, hard", "global, gumbel")
    assert {f"{score}, global, soft" for score in scores} <= set(compared)
    assert {f"general, {other}" for other in others} <= set(compared)


@pytest.mark.parametrize("tool", ["compare_attention", "compare_hops", "compare_memory"])
def test_a_table_is_that_of_what_was_measured(tool):
    command = [sys.executable, ROOT / "tools" / f"{tool}.py", "--check"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
