use super::*;
use std::collections::HashSet;
use std::time::Duration;

fn metrics() -> (Metrics, Counts) {
    let counts = Counts::default();
    let metrics = Metrics::new(
        "/metrics".into(),
        "1.2.3",
        counts.clone(),
        Archive::none(),
        Vec::new(),
        Health::new(Archive::none()),
    );
    (metrics, counts)
}

#[test]
fn counts_are_read_when_they_are_asked_for() {
    let (metrics, Counts { gateway, backends }) = metrics();
    let before = metrics.text().unwrap();
    assert!(
        before.contains("\nauditssh_connections_total 0\n"),
        "{before}"
    );
    gateway.connections.add();
    gateway.refused_unrecorded.add();
    backends.docker.created.add();
    backends.docker.starts.observe(Duration::from_millis(40));
    backends.docker.starts.observe(Duration::from_secs(20));
    let refused = backends.sshproxy.count(Err::<(), _>(()), |()| true);
    assert!(refused.is_err());
    let after = metrics.text().unwrap();
    for line in [
        "auditssh_connections_total 1",
        "auditssh_connections_refused_total{reason=\"unrecorded\"} 1",
        "auditssh_connections_refused_total{reason=\"connections\"} 0",
        "auditssh_auth_attempts_total{method=\"publickey\",result=\"refused\"} 0",
        "auditssh_build_info{version=\"1.2.3\"} 1",
        "auditssh_ready 1",
        "containerssh_backend_requests_total{backend=\"sshproxy\"} 1",
        "containerssh_backend_errors_total{backend=\"sshproxy\"} 1",
        "containerssh_backend_errors_total{backend=\"docker\"} 0",
        "auditssh_containers_created_total{backend=\"docker\"} 1",
        "auditssh_containers_left_total{backend=\"kubernetes\"} 0",
        "auditssh_container_start_seconds_count{backend=\"docker\"} 2",
        "auditssh_container_start_seconds_bucket{le=\"0.05\",backend=\"docker\"} 1",
        "auditssh_container_start_seconds_bucket{le=\"30.0\",backend=\"docker\"} 2",
    ] {
        assert!(after.contains(&format!("\n{line}\n")), "{line} in {after}");
    }
    assert!(after.ends_with("# EOF\n"));
}

#[test]
fn each_metric_is_described_once_and_named_as_is_usual() {
    let text = metrics().0.text().unwrap();
    let mut seen = HashSet::new();
    for line in text.lines() {
        let Some(described) = line.strip_prefix("# TYPE ") else {
            continue;
        };
        let (name, kind) = described.split_once(' ').unwrap();
        assert!(seen.insert(name.to_owned()), "{name} twice");
        assert!(!name.ends_with("_total"), "{name}: {kind}");
        let known = ["containerssh_", "auditssh_", "process_"];
        assert!(known.iter().any(|start| name.starts_with(start)), "{name}");
    }
    assert!(seen.len() > 20, "{seen:?}");
}

#[test]
fn metrics_are_at_their_path_only() {
    let (metrics, _) = metrics();
    assert_eq!(metrics.answer("/metrics", false).kind, KIND);
    for other in ["/", "/metrics/", "/METRICS", "/metric"] {
        let answer = metrics.answer(other, false);
        assert_eq!(answer.status, 404, "{other}");
        assert!(answer.body.contains("/metrics"));
    }
}
