"""Writes files that start TensorFlow Serving's official image with models of a base path.

    compose      compose.yaml and config/, for one machine: docker compose up
    kubernetes   a Deployment with its volume, configuration, service, autoscaler and disruption
                 budget: kubectl apply -f DIR
    kserve       a ServingRuntime and an InferenceService a model: kubectl apply -f DIR

The server is nobody in particular (user 1000), gains no privileges, writes nowhere but to /tmp and
sees the models read-only. Standard library only: models are exported elsewhere, by `zoo export
--format saved_model`.
"""

import json
import math
import shlex
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from zoo import paths
from zoo.config import require_choice
from zoo.errors import ZooError
from zoo.registry import Artefact
from zoo.serving.files import BATCHING_CONFIG, MODELS_CONFIG, MONITORING_CONFIG, MOUNT, versions

Target = Literal["compose", "kubernetes", "kserve"]
IMAGE = "tensorflow/serving:2.20.0"  # the newest release; what is exported needs no newer one
APP = "attention-zoo"
CLAIM = f"{APP}-models"
_CONFIG = "/config"  # where the server sees its configuration
_GRPC_PORT, _REST_PORT = 8500, 8501
_USER = 1000
_BASE_MEMORY_MB = 512  # the server without a model
# As `zoo.runtime.saved_model_engine` says: faster a sentence, and memory stays where it is.
_ENVIRONMENT = {"TF_ENABLE_ONEDNN_OPTS": "0"}
_MEMORY_A_BYTE = 4  # of a SavedModel: its weights, the graph, and room to compute


@dataclass(frozen=True)
class _Served:
    """What is deployed."""

    names: tuple[str, ...]
    base: Path
    flags: tuple[str, ...]  # that the exports ask for
    image: str
    cpus: int
    memory_mb: int
    configs: dict[str, str]  # the files of the server's configuration


def deploy(
    names: Sequence[str],
    target: Target,
    folder: Path,
    *,
    base: Path,
    image: str = IMAGE,
    cpus: int = 2,
) -> list[Path]:
    """Writes the files to deploy models and returns them.

    Args:
        names: Of models in `base`.
        target: What is to start them.
        folder: A new folder.
        base: The base path that `zoo export --format saved_model --to` wrote.
        image: Of TensorFlow Serving.
        cpus: Cores of each server.

    Raises:
        ZooError: If `base` lacks a model or a file, a name is given twice, or the folder is not
            new.
    """
    writers = {"compose": _compose, "kubernetes": _kubernetes, "kserve": _kserve}
    require_choice("target", target, writers)
    served = _served(names, base, image, cpus)
    files = writers[target](served)
    with paths.new_folder(folder) as partial:
        for file, content in files.items():
            path = partial / file
            path.parent.mkdir(exist_ok=True)
            path.write_text(content, encoding="utf-8")
    return [folder / file for file in files]


def _served(names: Sequence[str], base: Path, image: str, cpus: int) -> _Served:
    if len(set(names)) < len(names):
        raise ZooError(f"Expected each model once. Received: {', '.join(names)}.")
    flags: set[str] = set()
    size = 0
    for name in names:
        found = versions(base / name)
        if not found:
            raise ZooError(
                f"{base} holds no model {name!r}. Make one with: "
                f"zoo export {name} --format saved_model --to {base}"
            )
        manifest = Artefact.open(base / name / str(found[-1])).manifest
        if manifest["name"] != name or "saved_model" not in manifest:
            raise ZooError(f"Expected a SavedModel of {name} in {base / name / str(found[-1])}.")
        flags.update(manifest["saved_model"]["serving_flags"])
        size += sum(facts["bytes"] for facts in manifest["files"].values())
    configs = {MODELS_CONFIG: _models_config(names)}
    for file in (BATCHING_CONFIG, MONITORING_CONFIG):
        try:
            configs[file] = (base / file).read_text(encoding="utf-8")
        except OSError as error:
            raise ZooError(f"Cannot read {base / file}: {error.strerror}.") from error
    memory_mb = _BASE_MEMORY_MB + math.ceil(size * _MEMORY_A_BYTE / 2**20)
    return _Served(tuple(names), base, tuple(sorted(flags)), image, cpus, memory_mb, configs)


def _models_config(names: Sequence[str]) -> str:
    entries = "".join(
        f'  config {{\n    name: "{name}"\n    base_path: "{MOUNT}/{name}"\n'
        '    model_platform: "tensorflow"\n  }\n'
        for name in names
    )
    return f"model_config_list {{\n{entries}}}\n"


def _flags(served: _Served) -> list[str]:
    """Returns the server's flags, but for which models there are."""
    return [
        f"--port={_GRPC_PORT}",
        f"--rest_api_port={_REST_PORT}",
        "--enable_batching",
        f"--batching_parameters_file={_CONFIG}/{BATCHING_CONFIG}",
        f"--monitoring_config_file={_CONFIG}/{MONITORING_CONFIG}",
        # It would count the machine's cores, not those that it may use.
        f"--tensorflow_session_parallelism={served.cpus}",
        *served.flags,
    ]


def _listed_flags(served: _Served) -> list[str]:
    return [
        f"--model_config_file={_CONFIG}/{MODELS_CONFIG}",
        "--model_config_file_poll_wait_seconds=60",
        *_flags(served),
    ]


def _listed_environment() -> str:
    return json.dumps([{"name": name, "value": value} for name, value in _ENVIRONMENT.items()])


def _compose(served: _Served) -> dict[str, str]:
    # The image has neither curl nor wget. A model's metadata is there once the model is.
    checks = [
        f"exec 3<>/dev/tcp/127.0.0.1/{_REST_PORT}; "
        f"printf 'GET /v1/models/{name}/metadata HTTP/1.0\\r\\n\\r\\n' >&3; "
        "grep -q signature_def <&3"
        for name in served.names
    ]
    text = f"""\
# docker compose up --detach --wait
# curl -d '{{"instances": ["..."]}}' localhost:{_REST_PORT}/v1/models/{served.names[0]}:predict
name: {APP}
services:
  serving:
    image: {json.dumps(served.image)}
    entrypoint: [tensorflow_model_server]
    command:
{_yaml_list(_listed_flags(served), 6)}
    environment: {json.dumps(_ENVIRONMENT)}
    user: "{_USER}:{_USER}"
    read_only: true
    cap_drop: [ALL]
    security_opt: ["no-new-privileges:true"]
    tmpfs: [/tmp]
    ports:  # of this machine alone; put a proxy with TLS in front for others
      - 127.0.0.1:{_GRPC_PORT}:{_GRPC_PORT}
      - 127.0.0.1:{_REST_PORT}:{_REST_PORT}
    volumes:
      - type: bind
        source: {json.dumps(str(served.base.resolve()).replace("$", "$$"))}
        target: {MOUNT}
        read_only: true
      - type: bind
        source: ./config
        target: {_CONFIG}
        read_only: true
    healthcheck:
      test:
{_yaml_list(["CMD", "bash", "-ec", "; ".join(checks)], 8)}
      interval: 10s
      timeout: 5s
      retries: 3
      start_period: 5m
    deploy:
      resources:
        limits:
          cpus: "{served.cpus}"
          memory: {2 * served.memory_mb}M
        reservations:
          memory: {served.memory_mb}M
    restart: unless-stopped
    stop_grace_period: 30s
"""
    configs = {f"config/{file}": content for file, content in served.configs.items()}
    return {"compose.yaml": text, **configs}


def _kubernetes(served: _Served) -> dict[str, str]:
    labels = f"app.kubernetes.io/name: {APP}"
    first = served.names[0]
    deployment = f"""\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {APP}
  labels: {{{labels}}}
spec:
  # No replicas: the autoscaler says how many.
  selector:
    matchLabels: {{{labels}}}
  strategy:
    rollingUpdate: {{maxUnavailable: 0, maxSurge: 1}}
  template:
    metadata:
      labels: {{{labels}}}
      annotations:
        prometheus.io/scrape: "true"
        prometheus.io/port: "{_REST_PORT}"
        prometheus.io/path: /monitoring/prometheus/metrics
    spec:
      automountServiceAccountToken: false
      terminationGracePeriodSeconds: 45
      securityContext:
{_indented(_POD_SECURITY, 8)}
      topologySpreadConstraints:
        - maxSkew: 1
          topologyKey: kubernetes.io/hostname
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels: {{{labels}}}
      containers:
        - name: serving
          image: {json.dumps(served.image)}
          command: [tensorflow_model_server]
          args:
{_yaml_list(_listed_flags(served), 12)}
          env: {_listed_environment()}
          ports:
            - {{name: grpc, containerPort: {_GRPC_PORT}}}
            - {{name: http, containerPort: {_REST_PORT}}}
          # The port opens when all models have loaded and taken their warm-up requests.
          startupProbe:
            httpGet: {{path: /v1/models/{first}/metadata, port: http}}
            periodSeconds: 5
            failureThreshold: 120
          readinessProbe:
            httpGet: {{path: /v1/models/{first}/metadata, port: http}}
            periodSeconds: 5
            timeoutSeconds: 5
          livenessProbe:
            httpGet: {{path: /v1/models/{first}, port: http}}
            periodSeconds: 10
            timeoutSeconds: 10
            failureThreshold: 6
          lifecycle:
            preStop:  # until no client is sent here any more
              exec: {{command: [sleep, "10"]}}
          securityContext:
{_indented(_CONTAINER_SECURITY, 12)}
          resources:
{_indented(_resources(served), 12)}
          volumeMounts:
            - {{name: models, mountPath: {MOUNT}, readOnly: true}}
            - {{name: config, mountPath: {_CONFIG}, readOnly: true}}
            - {{name: tmp, mountPath: /tmp}}
      volumes:
        - name: models
          persistentVolumeClaim: {{claimName: {CLAIM}, readOnly: true}}
        - name: config
          configMap: {{name: {APP}-config}}
        - name: tmp
          emptyDir: {{sizeLimit: 64Mi}}
"""
    service = f"""\
# gRPC keeps its connections: without a proxy that balances requests, name the pods to the client
# by a headless service (clusterIP: None) and dns:///.
apiVersion: v1
kind: Service
metadata:
  name: {APP}
  labels: {{{labels}}}
spec:
  selector: {{{labels}}}
  ports:
    - {{name: grpc, port: {_GRPC_PORT}, targetPort: grpc, appProtocol: grpc}}
    - {{name: http, port: {_REST_PORT}, targetPort: http, appProtocol: http}}
"""
    autoscaler = f"""\
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {APP}
spec:
  scaleTargetRef: {{apiVersion: apps/v1, kind: Deployment, name: {APP}}}
  minReplicas: 2
  maxReplicas: 10
  metrics:
    - type: Resource
      resource:
        name: cpu
        target: {{type: Utilization, averageUtilization: 70}}
  behavior:
    scaleDown:
      stabilizationWindowSeconds: 300
"""
    budget = f"""\
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {APP}
spec:
  minAvailable: 1
  selector:
    matchLabels: {{{labels}}}
"""
    return {
        "autoscaler.yaml": autoscaler,
        "config.yaml": _config_map(served.configs),
        "deployment.yaml": deployment,
        "disruption-budget.yaml": budget,
        "service.yaml": service,
        "volume-claim.yaml": _CLAIM_YAML,
        "README.md": _readme(served),
        "load/pod.yaml": _LOADER,
    }


def _kserve(served: _Served) -> dict[str, str]:
    configs = {name: text for name, text in served.configs.items() if name != MODELS_CONFIG}
    runtime = f"""\
# KServe's own runtime for TensorFlow has other flags, and may write.
apiVersion: serving.kserve.io/v1alpha1
kind: ServingRuntime
metadata:
  name: {APP}
spec:
  supportedModelFormats:
    - {{name: {APP}, version: "1"}}
  protocolVersions: [v1, grpc-v1]
  containers:
    - name: kserve-container
      image: {json.dumps(served.image)}
      command: [tensorflow_model_server]
      args:
{_yaml_list(_flags(served), 8)}
      env: {_listed_environment()}
      ports:
        - {{containerPort: {_REST_PORT}, protocol: TCP}}
      securityContext:
{_indented(_CONTAINER_SECURITY, 8)}
      resources:
{_indented(_resources(served), 8)}
      volumeMounts:
        - {{name: config, mountPath: {_CONFIG}, readOnly: true}}
        - {{name: tmp, mountPath: /tmp}}
  volumes:
    - name: config
      configMap: {{name: {APP}-config}}
    - name: tmp
      emptyDir: {{sizeLimit: 64Mi}}
"""
    files = {
        "config.yaml": _config_map(configs),
        "runtime.yaml": runtime,
        "volume-claim.yaml": _CLAIM_YAML,
        "README.md": _readme(served),
        "load/pod.yaml": _LOADER,
    }
    for name in served.names:
        files[f"{_dns(name)}.yaml"] = f"""\
apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata:
  name: {_dns(name)}
  annotations:
    serving.kserve.io/deploymentMode: RawDeployment
    serving.kserve.io/autoscalerClass: hpa
spec:
  predictor:
    minReplicas: 1
    maxReplicas: 10
    scaleMetric: cpu
    scaleTarget: 70
    automountServiceAccountToken: false
    securityContext:
{_indented(_POD_SECURITY, 6)}
    model:
      runtime: {APP}
      modelFormat: {{name: {APP}, version: "1"}}
      storageUri: pvc://{CLAIM}/{name}
      args:
        - --model_name={name}
        - --model_base_path=/mnt/models
      readinessProbe:
        httpGet: {{path: /v1/models/{name}/metadata, port: {_REST_PORT}}}
        periodSeconds: 5
        timeoutSeconds: 5
        failureThreshold: 120
      livenessProbe:
        httpGet: {{path: /v1/models/{name}, port: {_REST_PORT}}}
        initialDelaySeconds: 300
        periodSeconds: 10
        timeoutSeconds: 10
        failureThreshold: 6
"""
    return files


_POD_SECURITY = f"""\
runAsNonRoot: true
runAsUser: {_USER}
runAsGroup: {_USER}
fsGroup: {_USER}
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {{type: RuntimeDefault}}"""

_CONTAINER_SECURITY = """\
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}"""

_CLAIM_YAML = f"""\
# Every server reads it, on whichever node it runs, and new versions are written into it.
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: {CLAIM}
spec:
  accessModes: [ReadWriteMany]
  resources:
    requests: {{storage: 1Gi}}
"""

_LOADER = f"""\
# Copies models into the volume; the servers only read it.
apiVersion: v1
kind: Pod
metadata:
  name: {APP}-load
spec:
  automountServiceAccountToken: false
  securityContext:
{textwrap.indent(_POD_SECURITY, "    ")}
  containers:
    - name: load
      image: busybox:1.37
      command: [sleep, "3600"]
      securityContext:
{textwrap.indent(_CONTAINER_SECURITY, "        ")}
      resources:
        requests: {{cpu: 100m, memory: 64Mi}}
        limits: {{memory: 256Mi}}
      volumeMounts:
        - {{name: models, mountPath: {MOUNT}}}
  volumes:
    - name: models
      persistentVolumeClaim: {{claimName: {CLAIM}}}
"""


def _resources(served: _Served) -> str:
    return (
        f'requests: {{cpu: "{served.cpus}", memory: {served.memory_mb}Mi}}\n'
        f"limits: {{memory: {2 * served.memory_mb}Mi}}"
    )


def _config_map(configs: dict[str, str]) -> str:
    data = "".join(f"  {name}: |\n{_indented(text, 4)}\n" for name, text in configs.items())
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {APP}-config\ndata:\n{data}"


def _readme(served: _Served) -> str:
    """Returns how models get into the volume: beside it first, a version renamed into place."""
    moves = "\n".join(
        f"    $in_pod 'mkdir -p {MOUNT}/{name}; cd {MOUNT}/.new/{name}; "
        f"for v in *; do [ -e {MOUNT}/{name}/$v ] || mv $v {MOUNT}/{name}/$v; done'"
        for name in served.names
    )
    copies = "\n".join(
        f"    kubectl cp {shlex.quote(f'{served.base}/{name}')} {APP}-load:{MOUNT}/.new/{name}"
        for name in served.names
    )
    return f"""\
# {APP}: {", ".join(served.names)}

    kubectl apply -f volume-claim.yaml -f load/pod.yaml
    kubectl wait --for=condition=Ready pod/{APP}-load
    in_pod="kubectl exec {APP}-load -- sh -ec"
    $in_pod 'rm -rf {MOUNT}/.new; mkdir -p {MOUNT}/.new'
{copies}
{moves}
    kubectl delete -f load/pod.yaml
    kubectl apply -f .

The copies go beside the models first: a server takes a version as soon as its folder is there. The
same lines bring a new version later.
"""


def _dns(name: str) -> str:
    """Returns a model's name as Kubernetes takes it."""
    return name.replace("_", "-").lower()


def _yaml_list(items: Sequence[str], indent: int) -> str:
    return "\n".join(f"{' ' * indent}- {json.dumps(item)}" for item in items)


def _indented(text: str, indent: int) -> str:
    return textwrap.indent(text.rstrip("\n"), " " * indent)
