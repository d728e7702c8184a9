"""The chart renders what Kubernetes accepts, does what its values say, and refuses wrong values in words."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from support.process_secrets import expected
from support.programs import require_program
from worker.cli.run.processes import COMMANDS

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
CHART = DEPLOY / "helm" / "intake"
#: The oldest and the newest Kubernetes that the objects are validated for.
VERSIONS = ("1.27", "1.37")
#: The objects of operators, whose schemas Kubernetes does not have.
CUSTOM = {"ScaledObject", "ServiceMonitor"}
#: Everything that can be on at once.
EVERYTHING: dict[str, Any] = {
    "image": {"tag": "2.0.0", "digest": f"sha256:{'0' * 64}"},
    "imagePullSecrets": [{"name": "registry"}],
    "secrets": {
        "redis": "redis",
        **{group: [group] for group in ("accounts", "producers", "alarms", "flower")},
        "files": {"accounts": ["shop-nl", "shop.be"], "producers": ["hooks"], "alarms": ["mail"], "flower": ["oauth"]},
    },
    "env": {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"},
    "worker": {"replicas": 3, "resources": {"limits": {"memory": "2Gi"}}},
    "flower": {"enabled": True},
    "web": {"enabled": True},
    "receive": {"enabled": True},
    "metrics": {"serviceMonitor": True, "labels": {"release": "prometheus"}},
    "keda": {"enabled": True, "min": 2, "max": 6},
    "networkPolicy": {
        "enabled": True,
        "from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}],
        "egress": [{"ports": [{"port": 53, "protocol": "UDP"}]}],
    },
    "nodeSelector": {"kubernetes.io/os": "linux"},
    "tolerations": [{"key": "shop", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "priorityClassName": "high",
}

Manifests = dict[tuple[str, str], dict[str, Any]]


def helm(tmp_path: Path, values: Mapping[str, Any], *command: str) -> subprocess.CompletedProcess[str]:
    """Run helm on the chart with these values."""
    file = tmp_path / "values.yaml"
    file.write_text(json.dumps(values))
    words = [require_program("helm"), *command, str(CHART), "--values", str(file), "--namespace", "orders"]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)


def render(tmp_path: Path, values: Mapping[str, Any]) -> Manifests:
    """Return what the chart renders for the release `shop`, by kind and name."""
    done = helm(tmp_path, values, "template", "shop")
    assert done.returncode == 0, done.stderr
    manifests = [manifest for manifest in yaml.safe_load_all(done.stdout) if manifest]
    named = {(manifest["kind"], manifest["metadata"]["name"]): manifest for manifest in manifests}
    assert len(named) == len(manifests), "two objects of one name"
    return named


def pod(manifests: Manifests, name: str) -> dict[str, Any]:
    """Return the pod of a process."""
    spec: dict[str, Any] = manifests["Deployment", f"shop-{name}"]["spec"]["template"]["spec"]
    return spec


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Manifests:
    return render(tmp_path_factory.mktemp("everything"), EVERYTHING)


def test_helm_finds_no_fault_in_the_chart(tmp_path: Path) -> None:
    done = helm(tmp_path, {}, "lint", "--strict")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_schemas_of_kubernetes_accept_every_object(tmp_path: Path, everything: Manifests) -> None:
    scaled = render(tmp_path, {"hpa": {"enabled": True}})
    assert ("HorizontalPodAutoscaler", "shop-worker") in scaled
    for (kind, name), manifest in {**scaled, **everything}.items():
        for version in VERSIONS if kind not in CUSTOM else ():
            assert kubernetes_validate.validate(manifest, version, strict=True) == version, name
    assert {kind for kind, _ in everything} == CUSTOM | {
        "ConfigMap",
        "Deployment",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "Service",
    }
    assert {name for kind, name in everything if kind == "Deployment"} == {
        f"shop-{name}" for name in (*COMMANDS, "metrics")
    }


def test_the_schemas_of_kubernetes_refuse_a_typing_error(everything: Manifests) -> None:
    wrong = json.loads(json.dumps(everything["Deployment", "shop-worker"]))
    wrong["spec"]["template"]["spec"]["enableServiceLink"] = False
    with pytest.raises(kubernetes_validate.ValidationError, match="enableServiceLink"):
        kubernetes_validate.validate(wrong, VERSIONS[-1], strict=True)


def test_a_process_has_as_many_replicas_as_the_values_say_and_none_for_zero(tmp_path: Path) -> None:
    replicas = {"worker": 0, "listen": 0, "upkeep": 3, "beat": 0}
    manifests = render(tmp_path, {name: {"replicas": count} for name, count in replicas.items()})
    for name, count in replicas.items():
        assert manifests["Deployment", f"shop-{name}"]["spec"]["replicas"] == count, name


def test_an_autoscaler_alone_decides_how_many_workers_there_are(tmp_path: Path, everything: Manifests) -> None:
    for manifests in (everything, render(tmp_path, {"hpa": {"enabled": True}, "worker": {"replicas": 0}})):
        assert "replicas" not in manifests["Deployment", "shop-worker"]["spec"]
        assert manifests["Deployment", "shop-listen"]["spec"]["replicas"] == 1


def test_every_pod_is_restricted_and_takes_its_settings_only_from_what_the_values_name(everything: Manifests) -> None:
    for kind, name in everything:
        if kind != "Deployment":
            continue
        spec = pod(everything, name.removeprefix("shop-"))
        (container,) = spec["containers"]
        assert container["image"] == f"intake@sha256:{'0' * 64}"
        assert spec["enableServiceLinks"] is False, name
        assert spec["automountServiceAccountToken"] is False, name
        # No user: the image's own, or the one that OpenShift gives to the namespace.
        assert spec["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        (spread,) = spec["topologySpreadConstraints"]
        labels = everything[kind, name]["spec"]["template"]["metadata"]["labels"]
        assert spread["labelSelector"]["matchLabels"].items() <= labels.items(), name
        assert "memory" in container["resources"]["limits"], name


def test_each_process_gets_its_own_secrets_and_its_own_user_of_redis(everything: Manifests) -> None:
    files: dict[str, list[str]] = EVERYTHING["secrets"]["files"]
    for name, (user, groups) in expected().items():
        spec = pod(everything, name)
        (container,) = spec["containers"]
        environ = {each["name"]: each.get("value", each.get("valueFrom")) for each in container["env"]}
        assert environ["REDIS_URL"] == {"secretKeyRef": {"name": "redis", "key": user}}, name
        assert environ["INTAKE_PROCESS"] == name
        assert environ["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://collector:4318"
        assert {source["secretRef"]["name"] for source in container.get("envFrom", [])} == groups, name
        mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
        secrets = {volume["name"]: volume["secret"]["secretName"] for volume in spec["volumes"] if "secret" in volume}
        own = [file for group in groups for file in files[group]]
        assert {path: secrets[volume] for path, volume in mounts.items() if volume in secrets} == {
            f"/run/secrets/{file}": file for file in own
        }, name
        assert len(secrets) == len(own), name


def test_no_pod_can_be_reached_but_by_the_named_peers(tmp_path: Path, everything: Manifests) -> None:
    for manifests, rules in ((everything, 1), (render(tmp_path, {"networkPolicy": {"enabled": True}}), 0)):
        spec = manifests["NetworkPolicy", "shop"]["spec"]
        assert len(spec.get("ingress", [])) == rules
        assert spec["policyTypes"] == (["Ingress", "Egress"] if rules else ["Ingress"])
        labels = manifests["Deployment", "shop-worker"]["spec"]["template"]["metadata"]["labels"]
        assert spec["podSelector"]["matchLabels"].items() <= labels.items()


def test_the_job_of_the_service_monitor_is_the_one_that_the_alert_rules_name(everything: Manifests) -> None:
    monitor, service = everything["ServiceMonitor", "shop"], everything["Service", "shop-metrics"]
    labels = service["metadata"]["labels"]
    assert monitor["spec"]["selector"]["matchLabels"].items() <= labels.items()
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    job = labels[monitor["spec"]["jobLabel"]]
    assert f'job="{job}"' in (DEPLOY / "prometheus" / "rules.yml").read_text()
    assert f"job_name: {job}\n" in (DEPLOY / "prometheus" / "prometheus.yml").read_text()


def test_keda_counts_the_orders_of_one_release_once(tmp_path: Path, everything: Manifests) -> None:
    scaled = everything["ScaledObject", "shop-worker"]["spec"]
    assert (scaled["minReplicaCount"], scaled["maxReplicaCount"]) == (2, 6)
    (trigger,) = scaled["triggers"]
    assert trigger["metadata"]["ignoreNullValues"] == "false"
    samples = {
        # The exporter of this release, and one that it replaces; then other releases.
        'namespace="orders",service="shop-metrics",pod="a",target="crm"': (100, 3),
        'namespace="orders",service="shop-metrics",pod="b",target="crm"': (100, 3),
        'namespace="orders",service="shop-metrics",pod="a",target="carrier"': (20, 0),
        'namespace="orders",service="other-metrics",pod="c",target="crm"': (7000, 0),
        'namespace="else",service="shop-metrics",pod="d",target="crm"': (7000, 0),
    }
    series = [
        {"series": f"intake_lane_{what}{{{labels}}}", "values": f"{counts[number]}x10"}
        for labels, counts in samples.items()
        for number, what in enumerate(("due", "in_flight"))
    ]
    expected = [
        {"expr": trigger["metadata"]["query"], "eval_time": "1m", "exp_samples": [{"labels": "{}", "value": 123}]}
    ]
    test = {"tests": [{"interval": "15s", "input_series": series, "promql_expr_test": expected}]}
    file = tmp_path / "keda.yml"
    file.write_text(json.dumps(test))
    words = [require_program("promtool"), "test", "rules", str(file)]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


WRONG: dict[str, Any] = {
    "/worker/replicas": {"worker": {"replicas": -1}},
    "/listen/replicas": {"listen": {"replicas": "two"}},
    "/beat": {"beat": {"replica": 1}},
    "additional properties 'workers'": {"workers": {"replicas": 1}},
    "/image/pullPolicy": {"image": {"pullPolicy": "Sometimes"}},
    "/image/digest": {"image": {"digest": "latest"}},
    "/keda/min": {"keda": {"enabled": True, "min": 0}},
    "/keda/prometheus": {"keda": {"prometheus": "prometheus:9090"}},
    "/resources/limits/memory": {"resources": {"limits": {"memory": "much"}}},
    "/secrets/accounts/0": {"secrets": {"accounts": ["My Secret"]}},
    "/secrets/files/alarms/0": {"secrets": {"files": {"alarms": ["My Secret"]}}},
    "/env/PORT": {"env": {"PORT": 80}},
    "/config": {"config": "[providers.shop]"},
}


def test_helm_refuses_wrong_values_and_names_each_of_them(tmp_path: Path) -> None:
    together: dict[str, Any] = {}
    for values in WRONG.values():
        for section, value in values.items():
            merged = isinstance(value, dict)
            together[section] = {**together.get(section, {}), **value} if merged else value
    done = helm(tmp_path, together, "template", "shop")
    assert done.returncode != 0
    assert [place for place in WRONG if place not in done.stderr] == []


def test_each_wrong_value_alone_is_refused() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    validator = jsonschema.Draft7Validator(schema)
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert [error.message for error in validator.iter_errors(values)] == []
    for wrong in WRONG.values():
        merged = {
            **values,
            **{
                key: {**values.get(key, {}), **value} if isinstance(value, dict) else value
                for key, value in wrong.items()
            },
        }
        assert len(list(validator.iter_errors(merged))) == 1, wrong


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"keda": {"enabled": True}, "hpa": {"enabled": True}}, "Enable one."),
        ({"keda": {"enabled": True}, "metrics": {"enabled": False}}, "keda.enabled needs metrics.enabled"),
        ({"flower": {"enabled": True}}, "flower.enabled needs a Secret with FLOWER_BASIC_AUTH"),
        ({"hpa": {"min": 5}}, "hpa.min is 5, more than hpa.max, which is 4."),
    ],
    ids=["two autoscalers", "keda without metrics", "Flower without a password", "more than the most"],
)
def test_helm_refuses_values_that_do_not_go_together(tmp_path: Path, values: dict[str, Any], message: str) -> None:
    done = helm(tmp_path, values, "template", "shop")
    assert done.returncode != 0
    assert message in done.stderr


def test_every_value_has_a_schema_and_a_default_that_shows_it() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert schema["properties"].keys() - {"global"} == values.keys()
