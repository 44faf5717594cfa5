use super::*;
use serde_json::json;

const FILE: &str = "\
sshproxy: {server: a.example.com, username: gate, password: '007', timeout: 5s, \
  allowedHostKeyFingerprints: ['SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU']}
security: {forceCommand: /bin/true, env: {mode: filter, allow: [A]}}
local: {allowRoot: true}
";

fn base() -> Base {
    Base::new(&parse::<Raw>(FILE).unwrap().0).unwrap()
}

fn laid(answer: &Value) -> Result<Own, String> {
    let config = answer.as_object().unwrap().clone();
    base().lay(&significant(config))
}

fn refused(answer: &Value) -> String {
    laid(answer).unwrap_err()
}

#[test]
fn what_an_answer_sets_is_laid_over_the_file() {
    let own = laid(&json!({"security": {"env": {"allow": ["B"]}}})).unwrap();
    assert!(own.backend.is_none());
    assert_eq!(own.security.env.allow, ["B"]);
    assert_eq!(own.security.force_command.as_deref(), Some("/bin/true"));

    let answer =
        json!({"backend": "sshproxy", "sshproxy": {"server": "b.example.com", "port": 2200}});
    let Some(Backend::SshProxy(settings)) = laid(&answer).unwrap().backend else {
        panic!("another backend");
    };
    let target = settings.target.unwrap();
    assert_eq!((target.host.as_str(), target.port), ("b.example.com", 2200));
    assert_eq!(settings.timeout.as_secs(), 5);
}

#[test]
fn secrets_of_the_file_are_kept_to_the_letter_and_shown_nowhere() {
    let blocks = base().blocks().unwrap();
    assert_eq!(blocks["sshproxy"]["password"], "007");
    assert!(blocks.get("users").is_none() && blocks.get("audit").is_none());
    assert!(!format!("{:?}", base()).contains("007"));
    let raw = parse::<Raw>(FILE).unwrap().0;
    assert!(!serde_json::to_string(&raw).unwrap().contains("007"));
}

#[test]
fn what_is_zero_says_nothing() {
    let answer = json!({
        "audit": {"enable": false, "s3": {"bucket": ""}}, "log": {"level": "notice"},
        "security": {"forceCommand": "", "maxSessions": 0, "env": {"allow": null}},
        "local": {"allowRoot": false}, "unknown": {}, "backend": "",
    });
    assert!(significant(answer.as_object().unwrap().clone()).is_empty());
}

#[test]
fn what_only_the_file_may_say_is_refused() {
    for block in [
        "audit",
        "auth",
        "ssh",
        "limits",
        "users",
        "configserver",
        "nonsense",
    ] {
        let said = refused(&json!({ block: {"x": 1} }));
        assert!(said.contains(&format!("it sets `{block}`")), "{said}");
    }
    let said = refused(&json!({"sshproxy": {"routeSeparator": "%"}}));
    assert!(said.contains("routeSeparator"), "{said}");
    let said = refused(&json!({"security": {"frceCommand": "x"}}));
    assert!(
        said.contains("unknown key `security.frceCommand`"),
        "{said}"
    );
    let said = refused(&json!({"backend": "sshproxy", "sshproxy": {"passwordFile": "/x"}}));
    assert!(
        said.contains("both `password` and `passwordFile`"),
        "{said}"
    );
    let said = refused(&json!({"sshproxy": {"password": {"hunter2": 1}}}));
    assert!(!said.contains('\n'), "{said}");
}

#[test]
fn the_backend_stays_that_of_the_start() {
    let later = "sshproxy: {server: z.example.com}\nsecurity: {forceCommand: /bin/false}\n";
    let later = Base::new(&parse::<Raw>(later).unwrap().0).unwrap();
    let blocks = later.with_backend_of(&base()).unwrap().blocks().unwrap();
    assert_eq!(blocks["sshproxy"]["server"], "a.example.com");
    assert_eq!(blocks["security"]["forceCommand"], "/bin/false");
}

#[test]
fn containers_and_pods_of_an_answer_have_what_the_file_says_of_them() {
    let file = "\
docker: {execution: {container: {image: a, env: [TOKEN=hunter2]}}}
kubernetes: {pod: {spec: {containers: [{name: a, image: b, env: [{name: T, value: hunter2}]}]}}}
";
    let base = Base::new(&parse::<Raw>(file).unwrap().0).unwrap();
    let blocks = serde_json::to_string(&base.blocks().unwrap()).unwrap();
    assert_eq!(
        blocks.matches("hunter2").count(),
        2,
        "they are secrets, but whole"
    );
    let answer =
        json!({"backend": "docker", "docker": {"execution": {"container": {"Image": "c"}}}});
    let own = base.lay(answer.as_object().unwrap()).unwrap();
    let Some(Backend::Docker(settings)) = own.backend else {
        panic!("another backend");
    };
    assert!(format!("{:?}", settings.launch).contains("\"c\""));
}

#[test]
fn what_the_backend_of_an_answer_can_not_forward_is_refused() {
    let mut answer =
        json!({"backend": "docker", "security": {"forwarding": {"forwardingMode": "enable"}}});
    let said = refused(&answer);
    assert!(said.contains("this backend forwards nothing"), "{said}");
    answer["backend"] = "sshproxy".into();
    assert!(laid(&answer).is_ok());
}
