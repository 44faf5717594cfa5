use super::*;
use serde_json::json;

fn refusal(container: Value, host: Value, platform: Value) -> String {
    let error = Launch::new(container, host, Value::Null, platform);
    error.unwrap_err().to_string()
}

#[test]
fn keys_are_those_of_the_api_in_whatever_letters() {
    let container = json!({
        "image": "busybox", "Hostname": "h", "workingdir": "/", "env": ["A=b"],
        "labels": {"Some.Label": "x"}, "exposedports": {"80/tcp": {}}, "user": null,
    });
    let host = json!({
        "binds": ["/a:/b"], "autoremove": true, "networkmode": "none", "tmpfs": {"/tmp": "size=1m"},
        "resources": {"memory": 1_048_576, "nanocpus": 1_000_000_000},
        "restartpolicy": {"name": "on-failure", "maximumretrycount": 1},
        "portbindings": {"80/tcp": [{"hostip": "127.0.0.1", "hostport": "8080"}]},
    });
    let network = json!({"endpointsconfig": {"Net": {"aliases": ["a"]}}});
    let platform = json!({"os": "linux", "architecture": "arm64", "variant": "v8"});
    let launch = Launch::new(container, host, network, platform).unwrap();
    let written = serde_json::to_value(&launch.body).unwrap();
    assert_eq!(written["Hostname"], "h");
    assert_eq!(written["Labels"]["Some.Label"], "x");
    assert_eq!(written["HostConfig"]["Memory"], 1_048_576);
    assert_eq!(
        written["HostConfig"]["PortBindings"]["80/tcp"][0]["HostPort"],
        "8080"
    );
    assert_eq!(
        written["NetworkingConfig"]["EndpointsConfig"]["Net"]["Aliases"][0],
        "a"
    );
    assert_eq!(launch.platform, "linux/arm64/v8");
    assert!(launch.restarts());
}

#[test]
fn what_the_engine_does_not_know_is_refused() {
    let image = || json!({"image": "x"});
    let said = refusal(json!({"image": "x", "bind": 1}), Value::Null, Value::Null);
    assert!(
        said.starts_with("`container.bind`: the engine's API has no such key"),
        "{said}"
    );
    let said = refusal(
        image(),
        json!({"portbindings": {"80/tcp": [{"port": 1}]}}),
        Value::Null,
    );
    assert!(
        said.starts_with(
            "`host.portbindings.80/tcp.1.port`: the engine's API has no such key here, but HostIp"
        ),
        "{said}"
    );
    let said = refusal(json!({}), Value::Null, Value::Null);
    assert!(said.contains("names no image"), "{said}");
    let said = refusal(
        json!({"image": "x", "hostconfig": {}}),
        Value::Null,
        Value::Null,
    );
    assert!(said.contains("into `host`"), "{said}");
    let said = refusal(image(), Value::Null, json!({"os": "linux"}));
    assert!(said.contains("architecture"), "{said}");
    assert!(refusal(image(), json!([]), Value::Null).contains("keys are wanted"));
}

#[test]
fn no_value_is_repeated() {
    let said = refusal(
        json!({"image": "x", "env": "hunter2"}),
        Value::Null,
        Value::Null,
    );
    assert!(
        said.contains("`container.env`") && !said.contains("hunter2"),
        "{said}"
    );
    let host = json!({"restartpolicy": {"name": "hunter2"}});
    let said = refusal(json!({"image": "x"}), host, Value::Null);
    assert!(
        said.contains("unless-stopped") && !said.contains("hunter2"),
        "{said}"
    );
    let no = json!({"restartpolicy": {"name": false}});
    let launch = Launch::new(json!({"image": "x"}), no, Value::Null, Value::Null);
    assert!(!launch.unwrap().restarts());
}
