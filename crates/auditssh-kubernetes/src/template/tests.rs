use super::*;
use crate::settings::{MetadataAs, Spec};
use auditssh_gateway::auth::{Fact, Facts, Restrictions};
use auditssh_gateway::backend::NoClient;
use std::sync::Arc;

fn fact(value: &str) -> Fact<String> {
    Fact {
        value: value.to_owned().into(),
        sensitive: true,
    }
}

fn identity() -> Identity {
    let mut facts = Facts {
        authenticated_username: Some("_Alice Ä@example.com".to_owned()),
        ..Facts::default()
    };
    facts.metadata.insert("team".to_owned(), fact("blue"));
    facts.metadata.insert("token".to_owned(), fact("a$(B)"));
    facts.environment.insert("SET".to_owned(), fact("service"));
    Identity {
        user: "alice".to_owned(),
        place: None,
        connection_id: "0123".to_owned(),
        remote_address: "[2001:db8::1]:1000".parse().unwrap(),
        local_address: "192.0.2.2:22".parse().unwrap(),
        restrictions: Restrictions::default(),
        facts: Arc::new(facts),
        client: Arc::new(NoClient),
    }
}

fn pod(mode: Mode) -> Pod {
    let map = |from: &str, to: &str| BTreeMap::from([(from.to_owned(), to.to_owned())]);
    Pod {
        namespace: "guests".to_owned(),
        name: None,
        generate_name: "ssh-".to_owned(),
        labels: map("app", "guest"),
        annotations: BTreeMap::new(),
        spec: Spec(json!({
            "containers": [
                {"name": "side", "image": "s"},
                {"name": "shell", "image": "i", "env": [
                    {"name": "SET", "value": "template"}, {"name": "KEPT", "value": "$x"},
                ]},
            ],
        })),
        console: 1,
        mode,
        create_missing: true,
        metadata_as: MetadataAs {
            env: map("token", "TOKEN"),
            labels: map("team", "team"),
            annotations: map("missing", "x"),
        },
    }
}

fn made(mode: Mode) -> Value {
    let owner = Owner {
        namespace: "guests".to_owned(),
        name: "gateway-0".to_owned(),
        uid: "u".to_owned(),
    };
    let whose = Made {
        identity: &identity(),
        instance: &Instance::open(None).unwrap(),
        owner: Some(&owner),
        namespace: "guests",
        idle_command: &["/idle".to_owned()],
    };
    manifest(&pod(mode), "ssh-1", &whose)
}

#[test]
fn a_pod_says_whose_it_is() {
    let pod = made(Mode::Connection);
    let metadata = &pod["metadata"];
    let labels = &metadata["labels"];
    assert_eq!(labels["app"], "guest");
    assert_eq!(labels["team"], "blue");
    assert_eq!(labels["containerssh_connection_id"], "0123");
    assert_eq!(labels["containerssh_username"], "Alice---example.com");
    assert!(labels["auditssh_instance"].is_string() && labels["auditssh_run"].is_string());
    assert_eq!(metadata["annotations"]["containerssh_ip"], "2001-db8--1");
    assert_eq!(metadata["ownerReferences"][0]["uid"], "u");
    assert_eq!(pod["spec"]["restartPolicy"], "Never");
    assert_eq!(pod["spec"]["automountServiceAccountToken"], false);
    let console = &pod["spec"]["containers"][1];
    assert_eq!(console["command"], json!(["/idle"]));
    assert_eq!(
        console["env"],
        json!([
            {"name": "KEPT", "value": "$x"},
            {"name": "SET", "value": "service"},
            {"name": "TOKEN", "value": "a$$(B)"},
        ])
    );
    assert!(pod["spec"]["containers"][0].get("command").is_none());
    // It is a pod for Kubernetes, too.
    serde_json::from_value::<k8s_openapi::api::core::v1::Pod>(pod).unwrap();
}

#[test]
fn a_persistent_pod_is_nobody_s() {
    let pod = made(Mode::Persistent);
    let metadata = &pod["metadata"];
    assert_eq!(metadata["labels"], json!({"app": "guest"}));
    assert!(metadata.get("ownerReferences").is_none());
    assert!(pod["spec"].get("restartPolicy").is_none());
    assert!(!pod.to_string().contains("service"));
}

#[test]
fn names_fit() {
    let one = name("containerssh-");
    assert!(one.starts_with("containerssh-") && one.len() == 25);
    assert_ne!(one, name("containerssh-"));
    assert_eq!(name(&"x".repeat(100)).len(), NAME);
    assert_eq!(label(&"x".repeat(100)).len(), LABEL);
    assert_eq!(label("--"), "");
}
