"""SavedModels behind the same API: the answers of LiteRT, and rows of many requests together."""

import re
import threading

import numpy as np
import pytest
from cases import run_python

from .conftest import NAME

DATES = ["september 27, 1994", "5/5/01", "", "tuesday, may 3, 2011", "日本"]
MODEL = f"/v1/models/{NAME}"


@pytest.fixture(scope="module")
def in_tensorflow(start_serving, saved_model):
    return start_serving(saved_model, "--runtime", "saved_model", "--batch-delay", "20")


def test_the_same_request_has_the_same_answer_on_both(served, in_tensorflow):
    body = {"inputs": DATES}
    found, expected = (x.predict(body).body["outputs"] for x in (in_tensorflow, served))
    assert found.keys() == expected.keys()
    for name in ("text", "tokens", "source_tokens"):
        assert found[name] == expected[name]
    for name in ("score", "alignment"):  # 8-bit weights in the one, float32 in the other
        np.testing.assert_allclose(found[name], expected[name], atol=0.05)


@pytest.mark.parametrize(
    "body",
    [
        {"signature_name": "generate", "inputs": [[5, 6, 7], [9, 0, 0]]},
        {"signature_name": "generate", "inputs": [[]]},
        {"signature_name": "start", "inputs": [[5, 6, 7, 8]]},
        {"instances": [""]},
    ],
)
def test_the_same_request_has_an_answer_of_the_same_form(served, in_tensorflow, body):
    shapes = [
        {name: np.shape(value) for name, value in flat(server.predict(body).body).items()}
        for server in (in_tensorflow, served)
    ]
    assert shapes[0] == shapes[1]


def flat(body: dict) -> dict:
    return body.get("outputs") or body["predictions"][0]


@pytest.mark.parametrize(
    "body",
    [
        {"signature_name": "generate", "inputs": [[62]]},
        {"signature_name": "generate", "inputs": [[-1]]},
        {"signature_name": "generate", "inputs": [[1] * 33]},
        {"signature_name": "none", "inputs": [[1]]},
        {"instances": [1]},
    ],
)
def test_the_same_wrong_request_is_refused_in_the_same_words(served, in_tensorflow, body):
    answers = [server.predict(body) for server in (in_tensorflow, served)]
    assert [x.status for x in answers] == [400, 400]
    assert answers[0].error == answers[1].error


def test_metadata_is_the_same_but_for_the_names_in_the_graph(served, in_tensorflow):
    found = [server.rest("GET", f"{MODEL}/metadata").body for server in (in_tensorflow, served)]
    for body in found:
        for signature in body["metadata"]["signature_def"]["signature_def"].values():
            for tensor in (*signature["inputs"].values(), *signature["outputs"].values()):
                assert tensor.pop("name")
    assert found[0] == found[1]


def together(*calls) -> list:
    """Returns what calls return that begin at the same time."""
    found, ready = [None] * len(calls), threading.Barrier(len(calls))

    def run(index, call):
        ready.wait()
        found[index] = call()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_rows_go_together_and_each_request_sees_its_own(in_tensorflow):
    bodies = [{"inputs": [text]} for text in DATES * 4] + [{"inputs": DATES}]
    alone = [in_tensorflow.predict(body).body for body in bodies]
    before = calls(in_tensorflow)
    found = together(*(lambda body=body: in_tensorflow.predict(body).body for body in bodies))
    assert calls(in_tensorflow) - before < len(bodies) / 2
    for answer, expected in zip(found, alone, strict=True):
        outputs, wanted = answer["outputs"], expected["outputs"]
        for name in ("text", "tokens", "source_tokens"):
            assert outputs[name] == wanted[name]
        assert np.shape(outputs["alignment"]) == np.shape(wanted["alignment"])
        np.testing.assert_allclose(outputs["alignment"], wanted["alignment"], atol=1e-5)


def calls(server) -> float:
    text = server.rest("GET", "/metrics").body.decode()
    return float(re.search(rf'zoo_batch_rows_count{{model="{NAME}"}} ([0-9.]+)', text)[1])


def test_a_wrong_row_refuses_no_other_request(in_tensorflow):
    right = {"signature_name": "generate", "inputs": [[5, 6, 7]]}
    wrong = {"signature_name": "generate", "inputs": [[5, 6, 99]]}
    asked = [right, wrong] * 8
    found = together(*(lambda body=body: in_tensorflow.predict(body).status for body in asked))
    assert found == [200, 400] * 8


@pytest.mark.parametrize(("runtime", "holds"), [("served", False), ("in_tensorflow", True)])
def test_tensorflow_is_where_it_is_the_runtime_alone(request, runtime, holds):
    server = request.getfixturevalue(runtime)
    with open(f"/proc/{server.process.pid}/maps") as maps:
        assert "tensorflow" not in maps.read()
    for worker in server.workers():
        with open(f"/proc/{worker}/maps") as maps:
            assert ("libtensorflow_cc" in maps.read()) == holds


@pytest.mark.parametrize(
    ("module", "given"),
    [
        ("zoo.serving.saved_model", {}),
        ("zoo.runtime.saved_model_engine", {"TF_ENABLE_ONEDNN_OPTS": "1"}),
    ],
)
def test_tensorflow_runs_without_onednn_unless_told(module, given, monkeypatch):
    """Its kernels grow with every shape of a request, and are slow on a single sentence."""
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)  # set by an import in this process
    code = f"import {module}; from tensorflow.python.util import _pywrap_util_port as port; "
    is_on = run_python(code + "print(port.IsMklEnabled())", **given).strip()
    assert is_on == str(bool(given))
