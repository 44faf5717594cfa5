use super::*;
use serde_json::{Value, json};

fn judged(status: &Value) -> State {
    let pod = json!({"metadata": {"name": "p"}, "status": status});
    judge(&serde_json::from_value(pod).unwrap(), "shell")
}

fn container(state: &Value) -> Value {
    json!({"name": "shell", "image": "img", "imageID": "", "ready": false, "restartCount": 0, "state": state})
}

#[test]
fn a_pod_is_ready_when_its_console_runs_and_it_says_so() {
    let running = json!([container(&json!({"running": {}}))]);
    let ready = json!([{"type": "Ready", "status": "True"}]);
    let status = json!({"phase": "Running", "conditions": ready, "containerStatuses": running});
    assert_eq!(judged(&status), State::Ready);
    let not_yet = json!([{"type": "Ready", "status": "False", "message": "probing"}]);
    let status = json!({"phase": "Running", "conditions": not_yet, "containerStatuses": running});
    assert_eq!(judged(&status), State::Waiting("probing".into()));
    assert_eq!(judged(&json!({})), State::Waiting(String::new()));
}

#[test]
fn what_keeps_a_pod_from_running_is_told() {
    let unscheduled =
        json!([{"type": "PodScheduled", "status": "False", "message": "0/3 nodes are available"}]);
    let State::Waiting(why) = judged(&json!({"phase": "Pending", "conditions": unscheduled}))
    else {
        panic!()
    };
    assert_eq!(why, "no node takes it: 0/3 nodes are available");
    let pulling = |reason: &str| {
        let waiting = json!({"waiting": {"reason": reason, "message": "no such\nimage"}});
        judged(&json!({"phase": "Pending", "containerStatuses": [container(&waiting)]}))
    };
    let text = "shell (image img): ErrImagePull: no such image".to_owned();
    assert_eq!(pulling("ErrImagePull"), State::Waiting(text));
    let text = "shell (image img): ImagePullBackOff: no such image".to_owned();
    assert_eq!(pulling("ImagePullBackOff"), State::Hopeless(text));
}

#[test]
fn what_ended_a_pod_is_told() {
    let evicted =
        json!({"phase": "Failed", "reason": "Evicted", "message": "The node was low on memory"});
    let text = "it has ended (Failed): Evicted; The node was low on memory".to_owned();
    assert_eq!(judged(&evicted), State::Hopeless(text));
    let killed = container(&json!({"terminated": {"exitCode": 137, "reason": "OOMKilled"}}));
    let text = "container shell ended with 137: OOMKilled".to_owned();
    let status = json!({"phase": "Running", "containerStatuses": [killed]});
    assert_eq!(judged(&status), State::Hopeless(text));
    let going = json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}});
    let going = serde_json::from_value(going).unwrap();
    assert_eq!(
        judge(&going, "shell"),
        State::Hopeless("it is being deleted".into())
    );
}
