"""Versions that come, fail and go, and processes that die."""

import os
import shutil
import signal
import threading
import time

import grpc
import pytest
from cases import ROOT
from tensorflow_serving.apis import predict_pb2

from .conftest import MACHINE, NAME, add_version, publish

DATE, ANSWER = "september 27, 1994", "1994-09-27"


class Load:
    """Threads that ask, one request after the other, by REST or gRPC, until it is left."""

    def __init__(self, served, threads=4):
        self.served, self.wrong, self.right, self.versions = served, [], 0, set()
        self.over = threading.Event()
        kinds = [self.by_rest, self.by_grpc]
        self.threads = [
            threading.Thread(target=self.run, args=(kinds[number % 2],))
            for number in range(threads)
        ]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *error):
        self.over.set()
        for thread in self.threads:
            thread.join()

    def run(self, ask):
        while not self.over.is_set():
            found = ask()
            if found == ANSWER:
                self.right += 1
            else:
                self.wrong.append(found)

    def by_rest(self):
        answer = self.served.predict({"instances": [DATE]})
        return answer.body["predictions"][0]["text"] if answer.status == 200 else answer

    def by_grpc(self):
        request = predict_pb2.PredictRequest()
        request.model_spec.name = NAME
        request.inputs["text"].dtype = 7
        request.inputs["text"].tensor_shape.dim.add(size=1)
        request.inputs["text"].string_val.append(DATE.encode())
        try:
            answer = self.served.predictions.Predict(request, timeout=120)
        except grpc.RpcError as error:
            return error
        self.versions.add(answer.model_spec.version.value)
        return answer.outputs["text"].string_val[0].decode()

    def wait(self, more=20):
        """Returns when `more` requests were answered from now on."""
        until = self.right + more
        deadline = time.monotonic() + 120
        while self.right < until and not self.wrong:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def states(served) -> dict:
    found = served.rest("GET", f"/v1/models/{NAME}").body["model_version_status"]
    return {int(x["version"]): (x["state"], x["status"]["error_code"]) for x in found}


def test_a_new_version_is_taken_up_without_a_lost_request(start_serving, base):
    served = start_serving(base, "--poll", "0.1")
    with Load(served) as load:
        load.wait()
        add_version(base, 2)
        served.wait_for(f"{NAME} version 1 is not served any more.")
        load.wait()
    assert (load.wrong, load.versions) == ([], {1, 2})
    assert states(served) == {1: ("END", "OK"), 2: ("AVAILABLE", "OK")}
    assert served.rest("POST", f"/v1/models/{NAME}/versions/1:predict", {}).status == 404
    served.stop()


def test_a_version_that_cannot_be_loaded_leaves_the_old_one_and_is_told_once(start_serving, base):
    served = start_serving(base, "--poll", "0.1")
    add_version(base, 2, damaged=True)
    served.wait_for(f"{NAME} version 2 cannot be served: ")
    assert served.predict({"instances": [DATE]}).body["predictions"][0]["text"] == ANSWER
    assert states(served) == {1: ("AVAILABLE", "OK"), 2: ("END", "INTERNAL")}
    (base / "3").mkdir()  # of somebody who has not written it yet
    shutil.copy(base / "1" / "model.tflite", base / "2" / "model.tflite")  # mended
    served.wait_for(f"{NAME} version 1 is not served any more.")
    assert states(served) == {1: ("END", "OK"), 2: ("AVAILABLE", "OK")}
    assert len([line for line in served.said if "cannot be served" in line]) == 1
    served.stop()


def test_a_version_of_another_model_is_refused(start_serving, base):
    add_version(base, 2)
    shutil.rmtree(base / "1")
    shutil.copytree(ROOT / "exports" / MACHINE / "1", base / "1")
    served = start_serving(base, "--keep", "2")
    [line] = [line for line in served.said if "cannot be served" in line]
    assert f"Expected a version of {NAME} in {base / '1'}. Received: {MACHINE}." in line
    assert served.predict({"instances": [DATE]}).body["predictions"][0]["text"] == ANSWER
    assert states(served) == {1: ("END", "INTERNAL"), 2: ("AVAILABLE", "OK")}
    # The log names the folder, clients are not told of it.
    assert str(base) not in str(served.rest("GET", f"/v1/models/{NAME}").body)
    served.stop()


def test_a_version_that_the_registry_publishes_is_taken_up(start_serving, registry):
    served = start_serving(NAME, "--poll", "0.1", registry=registry)
    add_version(registry / NAME, 2)
    publish(registry)
    served.wait_for(f"{NAME} version 2 is served.")
    served.stop()


def test_versions_that_are_kept_or_labeled_are_served(start_serving, base):
    for number in (2, 3, 4):
        add_version(base, number)
    served = start_serving(base, "--keep", "2", "--label", f"{NAME}:first=1")
    assert states(served) == {number: ("AVAILABLE", "OK") for number in (1, 3, 4)}
    for path, status in (("labels/first", 200), ("versions/3", 200), ("versions/2", 404)):
        found = served.rest("POST", f"/v1/models/{NAME}/{path}:predict", {"instances": [DATE]})
        assert found.status == status
    served.stop()


def test_a_process_that_is_killed_loses_no_request(start_serving):
    served = start_serving(NAME, "--workers", "2")
    with Load(served) as load:
        load.wait()
        killed = served.workers()
        assert len(killed) == 2
        for worker in killed:
            os.kill(worker, signal.SIGKILL)
            load.wait()
    assert load.wrong == []
    while len(served.workers()) < 2:
        time.sleep(0.05)
    assert set(served.workers()).isdisjoint(killed)
    assert "zoo_worker_deaths_total" in served.rest("GET", "/metrics").body.decode()
    served.stop()


def test_nothing_is_left_when_the_server_is_killed(start_serving):
    served = start_serving(NAME)
    workers = served.workers()
    served.process.kill()
    until = time.monotonic() + 60
    while any(os.path.exists(f"/proc/{worker}") for worker in workers):
        assert time.monotonic() < until
        time.sleep(0.05)


@pytest.mark.slow
def test_versions_and_processes_go_under_load_of_many(start_serving, base):
    served = start_serving(base, "--poll", "0.1", "--workers", "2")
    with Load(served, threads=64) as load:
        for number in range(2, 8):
            add_version(base, number)
            for worker in served.workers()[:1]:
                os.kill(worker, signal.SIGKILL)
            served.wait_for(f"{NAME} version {number - 1} is not served any more.")
            load.wait(200)
    assert load.wrong == []
    served.stop()
