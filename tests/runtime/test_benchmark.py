"""What it takes to answer, measured on one input at a time."""

import pytest
from cases import published

from zoo import cli, layout
from zoo.runtime import benchmark


@pytest.mark.parametrize(
    "name", ["seq2seq_attention_dates", "memory_network_babi_1k", "neural_turing_machine_copy"]
)
def test_a_model_of_every_modality_is_measured(name, monkeypatch):
    monkeypatch.setattr(benchmark, "RUNTIMES", ("litert",))
    artefact = published(name)
    [row] = benchmark.benchmark(artefact, calls=2)
    assert "error" not in row, row
    assert 0 < row["median_ms"] <= row["p95_ms"] < row["cold_start_ms"]
    files = {layout.TFLITE, layout.TOKENIZER} & artefact.manifest["files"].keys()
    size = sum(artefact.manifest["files"][name]["bytes"] for name in files)
    assert row["file_mb"] * 1e6 == pytest.approx(size, abs=0.5)


def test_a_benchmark_in_which_nothing_ran_fails(monkeypatch, capsys):
    missing = dict.fromkeys(benchmark._NEEDED, "no_such_package")
    monkeypatch.setattr(benchmark, "_NEEDED", missing)
    with pytest.raises(SystemExit) as ended:
        cli.main(["benchmark", str(published("seq2seq_attention_dates").folder)])
    assert ended.value.code == 1
    assert capsys.readouterr().out.count("no_such_package is not installed") == len(missing)
