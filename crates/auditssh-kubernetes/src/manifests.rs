//! Every manifest that the project hands out is one for Kubernetes, down to its last key.

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::core::v1::{Namespace, Secret, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn documents(text: &str) -> Vec<Value> {
    serde_saphyr::from_multiple(text).unwrap()
}

/// Reads a manifest as its kind, and finds what the kind does not have.
fn check<T: DeserializeOwned + Serialize>(manifest: &Value, place: &str) {
    let typed: T =
        serde_json::from_value(manifest.clone()).unwrap_or_else(|error| panic!("{place}: {error}"));
    let understood = serde_json::to_value(typed).unwrap();
    let mut unknown = Vec::new();
    compare(manifest, &understood, place, &mut unknown);
    assert!(unknown.is_empty(), "{unknown:?}");
}

fn compare(written: &Value, understood: &Value, path: &str, unknown: &mut Vec<String>) {
    match (written, understood) {
        (Value::Object(fields), Value::Object(known)) => {
            for (key, field) in fields {
                let path = format!("{path}.{key}");
                match known.get(key) {
                    Some(known) => compare(field, known, &path, unknown),
                    None => unknown.push(path),
                }
            }
        }
        (Value::Array(items), Value::Array(known)) => {
            for (item, known) in items.iter().zip(known) {
                compare(item, known, path, unknown);
            }
        }
        _ => {}
    }
}

fn check_all(text: &str, place: &str) -> usize {
    let all = documents(text);
    for manifest in &all {
        match manifest["kind"].as_str().unwrap_or_default() {
            "Deployment" => check::<Deployment>(manifest, place),
            "Namespace" => check::<Namespace>(manifest, place),
            "NetworkPolicy" => check::<NetworkPolicy>(manifest, place),
            "Role" => check::<Role>(manifest, place),
            "RoleBinding" => check::<RoleBinding>(manifest, place),
            "Secret" => check::<Secret>(manifest, place),
            "Service" => check::<Service>(manifest, place),
            "ServiceAccount" => check::<ServiceAccount>(manifest, place),
            "StatefulSet" => check::<StatefulSet>(manifest, place),
            other => panic!("{place}: a manifest of the kind {other:?}"),
        }
    }
    all.len()
}

#[test]
fn manifests_are_what_kubernetes_knows() {
    let mut count = 0;
    for folder in ["packaging/kubernetes", "examples/kubernetes"] {
        for entry in std::fs::read_dir(root().join(folder)).unwrap() {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            let is_manifest = path.extension().is_some_and(|end| end == "yaml");
            if is_manifest && text.contains("apiVersion") {
                count += check_all(&text, &path.display().to_string());
            }
        }
    }
    assert!(count >= 14, "{count}");
}

#[test]
fn so_is_what_the_documentation_shows() {
    let text = std::fs::read_to_string(root().join("docs/kubernetes.md")).unwrap();
    let blocks = text.split("```yaml\n").skip(1);
    let blocks = blocks.map(|block| block.split("```").next().unwrap());
    let shown = blocks.filter(|block| block.contains("apiVersion"));
    assert_eq!(
        shown
            .map(|block| check_all(block, "docs/kubernetes.md"))
            .sum::<usize>(),
        4
    );
}

/// The gateway is given the time that it takes to end.
#[test]
fn the_grace_is_long_enough() {
    let packaged = |file: &str| {
        let path = root().join("packaging/kubernetes").join(file);
        documents(&std::fs::read_to_string(path).unwrap()).remove(0)
    };
    let config = packaged("config.yaml");
    let config = documents(config["stringData"]["config.yaml"].as_str().unwrap()).remove(0);
    let seconds = |value: &Value| {
        let text = value.as_str().unwrap();
        text.strip_suffix('s').unwrap().parse::<u64>().unwrap()
    };
    let needed = seconds(&config["limits"]["shutdownGrace"])
        + seconds(&config["audit"]["s3"]["shutdownTimeout"])
        + 12
        + 10;
    for file in ["gateway.yaml", "gateway-with-volume.yaml"] {
        let spec = &packaged(file)["spec"]["template"]["spec"];
        let given = spec["terminationGracePeriodSeconds"].as_u64().unwrap();
        assert!(given > needed, "{file}: {given} s for {needed} s");
    }
}
