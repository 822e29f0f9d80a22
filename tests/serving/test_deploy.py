"""`zoo deploy` writes files that the published schemas take, and that start what they should."""

import http.server
import json
import subprocess
import threading

import jsonschema
import kubernetes_validate
import pytest
import yaml
from cases import published
from check_jsonschema import builtin_schemas as schemas
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from zoo.export.artefact import write_manifest
from zoo.serving import files
from zoo.serving.deploy import IMAGE

NAMES = ["seq2seq_attention_dates", "seq2seq_peeky_dates"]
XLA = "--xla_cpu_compilation_enabled"
ENVIRONMENT = [{"name": "TF_ENABLE_ONEDNN_OPTS", "value": "0"}]


@pytest.fixture
def base(tmp_path):
    """Returns a base path as `zoo export` lays it out; the second model needs a flag."""
    folder = tmp_path / "mo'd$els"
    for name, flags in zip(NAMES, ([], [XLA]), strict=True):
        version = folder / name / "1"
        version.mkdir(parents=True)
        (version / "saved_model.pb").write_bytes(b"x" * 1_000_000)
        facts = {**published(name).manifest}
        facts["saved_model"] = {"beam_size": 1, "ids_only": False, "serving_flags": flags}
        del facts["files"]
        write_manifest(version, facts, ["saved_model.pb"])
    (folder / files.BATCHING_CONFIG).write_text("# mine\nmax_batch_size { value: 64 }\n")
    (folder / files.MONITORING_CONFIG).write_text("prometheus_config { enable: true }\n")
    return folder


@pytest.fixture
def deployed(zoo, base):
    """Returns a function from a target and models to the folder that the command wrote."""

    def deploy(target, *names):
        folder = zoo.work / target
        done = zoo("deploy", *names, "--target", target, "--to", folder, "--models", base)
        assert (done.status, done.stderr) == (0, "")
        written = [path for path in folder.rglob("*") if path.is_file()]
        assert sorted(done.stdout.splitlines()) == sorted(map(str, written))
        return folder

    return deploy


def objects(folder) -> dict[str, dict]:
    """Returns the Kubernetes objects in a folder, by kind; a list where there are several."""
    found = {}
    for path in sorted(folder.rglob("*.yaml")):
        for each in yaml.safe_load_all(path.read_text()):
            found.setdefault(each["kind"], []).append(each)
    return found


def assert_hardened(pod: dict) -> None:
    assert pod["automountServiceAccountToken"] is False
    security = pod["securityContext"]
    assert security["runAsNonRoot"] is True and security["runAsUser"] > 0
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}


def assert_locked(container: dict) -> None:
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["resources"]["requests"] and container["resources"]["limits"]["memory"]


def models_of(text: str) -> list[str]:
    config = text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
    return [model.name for model in config.model_config_list.config]


def test_compose_file_is_one_by_the_published_schema(deployed):
    schema = jsonschema.Draft7Validator(schemas.get_builtin_schema("vendor.compose-spec"))
    compose = yaml.safe_load((deployed("compose", *NAMES) / "compose.yaml").read_text())
    schema.validate(compose)
    compose["services"]["serving"]["cap_drop"] = "ALL"
    assert not schema.is_valid(compose)  # so it does look


def test_compose_starts_the_official_image_locked_up(deployed, base):
    folder = deployed("compose", *NAMES)
    serving = yaml.safe_load((folder / "compose.yaml").read_text())["services"]["serving"]
    assert serving["image"] == IMAGE
    assert IMAGE.startswith("tensorflow/serving:") and not IMAGE.endswith(":latest")
    assert serving["user"] != "0:0" and serving["read_only"] is True
    assert serving["cap_drop"] == ["ALL"]
    assert all(port.startswith("127.0.0.1:") for port in serving["ports"])
    models, config = serving["volumes"]
    assert models["source"].replace("$$", "$") == str(base) and models["target"] == "/models"
    assert models["read_only"] and config["read_only"]
    assert serving["command"].count(XLA) == 1  # the second model needs it
    assert serving["environment"] == {x["name"]: x["value"] for x in ENVIRONMENT}
    for flag in serving["command"]:
        name, _, value = flag.partition("=")
        if name.endswith("_file"):
            assert (folder / "config" / value.removeprefix("/config/")).is_file()


@pytest.mark.parametrize("names", [NAMES, NAMES[:1]])
def test_the_server_has_the_models_that_are_named_and_no_other(deployed, names):
    folder = deployed("compose", *names)
    assert models_of((folder / "config" / "models.config").read_text()) == names
    assert "# mine" in (folder / "config" / "batching.config").read_text()
    flags = yaml.safe_load((folder / "compose.yaml").read_text())["services"]["serving"]["command"]
    assert (XLA in flags) == (NAMES[1] in names)


@pytest.mark.parametrize("ready", [NAMES, NAMES[:1]])
def test_the_health_check_asks_for_every_model(deployed, ready):
    class Server(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            found = self.path.removeprefix("/v1/models/").removesuffix("/metadata") in ready
            self.send_response(200 if found else 404)
            self.end_headers()
            self.wfile.write(b'{"metadata": {"signature_def": {}}}' if found else b"{}")

        def log_message(self, *arguments):
            pass

    folder = deployed("compose", *NAMES)
    compose = yaml.safe_load((folder / "compose.yaml").read_text())
    kind, *command = compose["services"]["serving"]["healthcheck"]["test"]
    assert kind == "CMD"
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        command[-1] = command[-1].replace("/8501", f"/{server.server_port}")
        done = subprocess.run(command)
        server.shutdown()
        thread.join()
    assert (done.returncode == 0) == (ready == NAMES)


def test_kubernetes_files_are_objects_by_the_published_schemas(deployed):
    found = objects(deployed("kubernetes", *NAMES))
    assert set(found) == {
        "ConfigMap", "Deployment", "HorizontalPodAutoscaler", "PersistentVolumeClaim", "Pod",
        "PodDisruptionBudget", "Service",
    }  # fmt: skip
    for each in [each for kind in found.values() for each in kind]:
        kubernetes_validate.validate(each, "1.34", strict=True)


def test_kubernetes_parts_fit_each_other(deployed):
    found = objects(deployed("kubernetes", *NAMES))
    [deployment], [service] = found["Deployment"], found["Service"]
    [autoscaler], [budget] = found["HorizontalPodAutoscaler"], found["PodDisruptionBudget"]
    [config], [claim] = found["ConfigMap"], found["PersistentVolumeClaim"]
    template = deployment["spec"]["template"]
    labels = template["metadata"]["labels"]
    assert labels == deployment["spec"]["selector"]["matchLabels"] == service["spec"]["selector"]
    assert labels == budget["spec"]["selector"]["matchLabels"]
    assert autoscaler["spec"]["scaleTargetRef"]["name"] == deployment["metadata"]["name"]
    assert autoscaler["spec"]["minReplicas"] > budget["spec"]["minAvailable"]
    assert "replicas" not in deployment["spec"]  # it would undo the autoscaler at every apply

    pod = template["spec"]
    [container] = pod["containers"]
    assert_hardened(pod)
    assert_locked(container)
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert volumes["models"]["persistentVolumeClaim"] == {
        "claimName": claim["metadata"]["name"], "readOnly": True,
    }  # fmt: skip
    assert volumes["config"]["configMap"]["name"] == config["metadata"]["name"]
    mounts = {mount["name"]: mount for mount in container["volumeMounts"]}
    assert set(mounts) == set(volumes)
    assert mounts["models"]["readOnly"] and mounts["config"]["readOnly"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"grpc": 8500, "http": 8501}
    assert {port["targetPort"] for port in service["spec"]["ports"]} == set(ports)
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"]["path"].startswith(f"/v1/models/{NAMES[0]}")
    assert container["args"].count(XLA) == 1
    assert container["env"] == ENVIRONMENT
    for flag in container["args"]:
        name, _, value = flag.partition("=")
        if name.endswith("_file"):
            assert value.removeprefix("/config/") in config["data"]
    assert models_of(config["data"]["models.config"]) == NAMES


def test_the_loading_pod_is_hardened_too(deployed):
    [pod] = objects(deployed("kubernetes", *NAMES))["Pod"]
    assert_hardened(pod["spec"])
    assert_locked(pod["spec"]["containers"][0])


def test_kserve_files_hold_what_kubernetes_takes(deployed):
    """No schema of KServe's own is on PyPI apart from its SDK; its pods are Kubernetes'."""
    found = objects(deployed("kserve", *NAMES))
    assert set(found) == {
        "ConfigMap", "InferenceService", "PersistentVolumeClaim", "Pod", "ServingRuntime",
    }  # fmt: skip
    for kind in ("ConfigMap", "PersistentVolumeClaim", "Pod"):
        kubernetes_validate.validate(found[kind][0], "1.34", strict=True)
    [runtime] = found["ServingRuntime"]
    own = {"supportedModelFormats", "protocolVersions"}
    for service in found["InferenceService"]:
        predictor = dict(service["spec"]["predictor"])
        model = predictor.pop("model")
        scaling = {name: predictor.pop(name) for name in ("minReplicas", "maxReplicas")}
        assert scaling["minReplicas"] < scaling["maxReplicas"]
        assert (predictor.pop("scaleMetric"), predictor.pop("scaleTarget")) == ("cpu", 70)
        # What is left of the predictor is a pod's, of the model and the runtime a container's.
        [container] = [dict(each) for each in runtime["spec"]["containers"]]
        assert_locked(container)
        assert container["env"] == ENVIRONMENT
        for name, value in model.items():
            if name == "args":
                container["args"] = container["args"] + value
            elif name not in ("runtime", "modelFormat", "storageUri"):
                container[name] = value
        spec = {x: value for x, value in runtime["spec"].items() if x not in own}
        pod = {**spec, **predictor, "containers": [container]}
        assert_hardened(pod)
        metadata = {"name": service["metadata"]["name"]}
        whole = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod}
        kubernetes_validate.validate(whole, "1.34", strict=True)


def test_kserve_serves_each_model_by_its_own_name(deployed):
    found = objects(deployed("kserve", *NAMES))
    [runtime], [claim] = found["ServingRuntime"], found["PersistentVolumeClaim"]
    for name, service in zip(NAMES, found["InferenceService"], strict=True):
        model = service["spec"]["predictor"]["model"]
        assert service["metadata"]["name"] == name.replace("_", "-")  # what DNS takes
        assert f"--model_name={name}" in model["args"]
        assert model["storageUri"] == f"pvc://{claim['metadata']['name']}/{name}"
        assert model["runtime"] == runtime["metadata"]["name"]
        assert model["modelFormat"] in runtime["spec"]["supportedModelFormats"]
        assert not any("model_config" in flag for flag in runtime["spec"]["containers"][0]["args"])


@pytest.mark.parametrize("target", ["compose", "kubernetes", "kserve"])
def test_a_model_that_is_not_exported_is_refused(zoo, base, target):
    done = zoo("deploy", "fnord", "--target", target, "--to", "out", "--models", base)
    done.refused("'fnord'", f"zoo export fnord --format saved_model --to {base}")


def test_a_folder_with_something_in_it_is_refused(zoo, base):
    (zoo.work / "out").mkdir()
    (zoo.work / "out" / "mine").touch()
    done = zoo("deploy", NAMES[0], "--target", "compose", "--to", "out", "--models", base)
    done.refused("not empty")


@pytest.mark.parametrize("target", ["compose", "kubernetes", "kserve"])
def test_an_image_is_text_to_yaml_whatever_it_holds(zoo, base, target):
    image = "reg: 'x' # \"y\""
    done = zoo(
        "deploy", NAMES[0], "--target", target, "--to", "out", "--models", base, "--image", image
    )
    assert done.status == 0
    found = [yaml.safe_load(path.read_text()) for path in (zoo.work / "out").glob("*.yaml")]
    assert image in [value for each in found for value in _values(each)]


def _values(node) -> list:
    """Returns all that is no list and no mapping in what YAML holds."""
    if isinstance(node, dict):
        node = list(node.values())
    return [x for each in node for x in _values(each)] if isinstance(node, list) else [node]


@pytest.mark.parametrize("target", ["kubernetes", "kserve"])
def test_the_base_path_is_one_word_to_the_shell(zoo, base, target):
    """By a shell that runs the lines of the README, with `kubectl` a function that shows them."""
    folder = base.rename(base.parent / "my $HOME's models")
    done = zoo("deploy", NAMES[0], "--target", target, "--to", "out", "--models", folder)
    assert done.status == 0
    lines = (zoo.work / "out" / "README.md").read_text().splitlines()
    [copy] = [line for line in lines if "kubectl cp" in line]
    script = f"kubectl() {{ printf '%s\\n' \"$@\"; }}\n{copy}"
    shown = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines()[:2] == ["cp", f"{folder}/{NAMES[0]}"]


def test_another_image_can_be_named(zoo, base):
    done = zoo(
        "deploy", NAMES[0], "--target", "compose", "--to", "out", "--models", base,
        "--image", "mirror.example/serving:1", "--cpus", "7",
    )  # fmt: skip
    assert done.status == 0
    serving = yaml.safe_load((zoo.work / "out" / "compose.yaml").read_text())["services"]["serving"]
    assert serving["image"] == "mirror.example/serving:1"
    assert json.loads(serving["deploy"]["resources"]["limits"]["cpus"]) == 7
    assert "--tensorflow_session_parallelism=7" in serving["command"]
