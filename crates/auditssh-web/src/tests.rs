//! Every door, tried with everything that must not open it: from the router's own table.

use crate::access::{self, latest};
use crate::app::App;
use crate::door::Door;
use crate::routes::{Route, router, table};
use crate::rules::Rule;
use crate::settings::{Lifetime, Settings};
use crate::users::{Role, User, Users, Viewer};
use auditssh_archive::{Archive, Entry};
use auditssh_log::message::{Connect, Event, Exec, HandshakeSuccessful, Io, Stream};
use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

const HOST: &str = "127.0.0.1:8088";
const ORIGIN: &str = "http://127.0.0.1:8088";
const EVIL: &str = "http://evil.example";
const PASSWORD: &str = "correct horse";

/// A viewer of a directory with one recording, of the login `root`.
struct World {
    directory: tempfile::TempDir,
    app: App,
    router: Router,
    id: String,
}

impl World {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let audit = directory.path().join("audit");
        let id = record(audit.clone()).await;
        let user = |role, groups: &[&str]| User {
            password: crate::Password::of(PASSWORD),
            role,
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        };
        let settings = Settings {
            listen: HOST.parse().unwrap(),
            tls: None,
            urls: vec!["https://viewer.example.com".parse().unwrap()],
            proxies: Vec::new(),
            users: Users::new([
                ("alice".to_owned(), user(Role::Auditor, &["deployers"])),
                ("carol".to_owned(), user(Role::Admin, &[])),
            ]),
            oidc: None,
            rules: vec![Rule {
                users: Vec::new(),
                groups: vec!["deployers".into()],
                logins: vec!["deploy-*".parse().unwrap()],
            }],
            lifetime: Lifetime {
                idle: Duration::from_mins(30),
                most: Duration::from_hours(12),
                sessions: 100,
            },
            directory: audit,
            kept: None,
            access: access::Settings {
                directory: directory.path().join("access"),
                signing_key: None,
            },
            version: "0",
        };
        let app = App::new(settings, CancellationToken::new()).unwrap();
        Self {
            directory,
            router: router(&app),
            app,
            id,
        }
    }

    fn access(&self) -> PathBuf {
        self.directory.path().join("access")
    }

    /// The cookie of someone who is logged in.
    fn cookie(&self, user: &str, role: Role) -> String {
        let viewer = Viewer {
            user: user.into(),
            role,
            groups: vec!["deployers".into()],
            elsewhere: false,
        };
        let token = self.app.sessions.begin(viewer, Instant::now());
        format!("auditssh={}", *token)
    }

    fn path(&self, route: &Route) -> String {
        let query = match route.path {
            "/api/v1/search" => "?q=x",
            "/api/v1/sessions/{id}/download" => "?as=log",
            _ => "",
        };
        let path = route.path.replace("{id}", &self.id);
        let path = path.replace("{channel}", "0").replace("{number}", "1");
        format!("{}{query}", path.replace("{*file}", "x.js"))
    }

    async fn ask(&self, method: &Method, path: &str, headers: &[(&str, &str)]) -> Response<Body> {
        let mut request = Request::builder().method(method).uri(path);
        let own = [("host", HOST)];
        let is_given = |name: &str| headers.iter().any(|(given, _)| *given == name);
        for (name, value) in own.iter().filter(|(name, _)| !is_given(name)) {
            request = request.header(*name, *value);
        }
        for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).unwrap();
        self.router.clone().oneshot(request).await.unwrap()
    }

    async fn status(&self, route: &Route, headers: &[(&str, &str)]) -> StatusCode {
        let answer = self.ask(&route.method, &self.path(route), headers).await;
        dressed(&answer, route.path);
        answer.status()
    }
}

impl crate::Password {
    fn of(password: &str) -> Self {
        use argon2::PasswordHasher as _;
        let cheap = argon2::Params::new(8, 1, 1, None).unwrap();
        let cheap = argon2::Argon2::from(cheap);
        let hash = cheap.hash_password(password.as_bytes()).unwrap();
        hash.to_string().parse().unwrap()
    }
}

/// A log of someone who ran `echo hello`.
async fn record(directory: PathBuf) -> String {
    let archive = Archive::open(auditssh_archive::Settings {
        intercept: auditssh_log::policy::Intercept {
            stdout: true,
            ..Default::default()
        },
        ..auditssh_archive::Settings::new(directory)
    })
    .unwrap();
    let recorder = archive.create().await.unwrap();
    let entries = [
        Entry::from(Event::Connect(Connect {
            remote_addr: "192.0.2.7".into(),
            country: "XX".into(),
        })),
        Event::HandshakeSuccessful(HandshakeSuccessful {
            username: "root".into(),
        })
        .into(),
        Entry::from(Event::Exec(Exec {
            request_id: 0,
            program: "echo hello".into(),
        }))
        .on(0),
        Entry::from(Event::Io(Io {
            stream: Stream::Stdout,
            data: b"hello\n".to_vec(),
        }))
        .on(0),
    ];
    for entry in entries {
        recorder.append(entry).await.unwrap();
    }
    recorder.finish().await.unwrap();
    let id = recorder.connection_id().to_owned();
    archive.shutdown(Duration::from_secs(5)).await;
    id
}

/// Every answer keeps browsers from what the pages do not need.
fn dressed(answer: &Response<Body>, path: &str) {
    let header = |name: &str| {
        let value = answer.headers().get(name);
        value.map(|value| value.to_str().unwrap().to_owned())
    };
    let policy = header("content-security-policy").unwrap_or_default();
    assert!(policy.starts_with("default-src 'none'"), "{path}");
    assert!(!policy.contains("unsafe-inline"), "{path}");
    for (name, expected) in [
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("x-frame-options", "DENY"),
        ("cross-origin-resource-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
    ] {
        assert_eq!(header(name).as_deref(), Some(expected), "{path} {name}");
    }
    if answer.status() != StatusCode::OK || !path.starts_with("/assets/") {
        assert_eq!(
            header("cache-control").as_deref(),
            Some("no-store"),
            "{path}"
        );
    }
}

fn is_open(route: &Route) -> bool {
    matches!(route.door, Door::Page | Door::Open)
}

/// Who may pass everything.
fn well(cookie: &str) -> [(&str, &str); 2] {
    [("cookie", cookie), ("origin", ORIGIN)]
}

#[test]
fn only_pages_and_the_login_are_open() {
    for route in table() {
        let is_api = route.path.starts_with("/api/");
        match route.door {
            Door::Page => assert!(!is_api, "{}", route.path),
            Door::Open => assert!(
                ["/api/v1/login", "/api/v1/me"].contains(&route.path),
                "{}",
                route.path
            ),
            Door::Recording(_) => assert!(route.path.contains("/sessions/{id}"), "{}", route.path),
            Door::Viewer | Door::Recorded(_) | Door::Admin(_) => {
                assert!(is_api && !route.path.contains("{id}"), "{}", route.path);
            }
        }
        let changes = route.method != Method::GET;
        assert!(!changes || route.door != Door::Page, "{}", route.path);
    }
}

#[tokio::test]
async fn every_door_lets_pass_who_may() {
    let world = World::new().await;
    let cookie = world.cookie("carol", Role::Admin);
    for route in table()
        .iter()
        .filter(|route| route.path != "/api/v1/logout")
    {
        let status = world.status(route, &well(&cookie)).await;
        let refused = [
            StatusCode::UNAUTHORIZED,
            StatusCode::FORBIDDEN,
            StatusCode::MISDIRECTED_REQUEST,
        ];
        assert!(!refused.contains(&status), "{} {status}", route.path);
        if !is_open(route) && !route.path.ends_with("/files/{number}") {
            assert_eq!(status, StatusCode::OK, "{}", route.path);
        }
    }
}

#[tokio::test]
async fn nobody_passes_without_a_session() {
    let world = World::new().await;
    let ended = world.cookie("carol", Role::Admin);
    world
        .app
        .sessions
        .end(ended.trim_start_matches("auditssh="));
    let long_ago = Instant::now().checked_sub(Duration::from_hours(1)).unwrap();
    let viewer = Viewer {
        user: "carol".into(),
        role: Role::Admin,
        groups: Vec::new(),
        elsewhere: false,
    };
    let expired = world.app.sessions.begin(viewer, long_ago);
    let expired = format!("auditssh={}", *expired);
    for route in table().iter().filter(|route| !is_open(route)) {
        for cookie in [
            "",
            "auditssh=",
            "auditssh=0000",
            "other=1",
            &ended,
            &expired,
        ] {
            let status = world.status(route, &well(cookie)).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{} {cookie}", route.path);
        }
    }
    // The name of the cookie of TLS opens nothing without TLS.
    let cookie = world.cookie("carol", Role::Admin);
    let secure = cookie.replace("auditssh=", "__Host-auditssh=");
    for route in table().iter().filter(|route| !is_open(route)) {
        let status = world.status(route, &well(&secure)).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{}", route.path);
    }
}

#[tokio::test]
async fn no_other_page_asks_anything() {
    let world = World::new().await;
    let cookie = world.cookie("carol", Role::Admin);
    for route in table().iter().filter(|route| route.door != Door::Page) {
        for (name, value) in [
            ("origin", EVIL),
            ("origin", "null"),
            ("origin", "http://127.0.0.1:8089"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            let mut headers = vec![("cookie", cookie.as_str()), (name, value)];
            if name != "origin" {
                headers.push(("origin", ORIGIN));
            }
            let status = world.status(route, &headers).await;
            assert_eq!(status, StatusCode::FORBIDDEN, "{} {value}", route.path);
        }
        if route.method != Method::GET {
            let status = world.status(route, &[("cookie", &cookie)]).await;
            assert_eq!(status, StatusCode::FORBIDDEN, "{}", route.path);
        }
    }
}

#[tokio::test]
async fn nothing_is_reached_by_another_name() {
    let world = World::new().await;
    let cookie = world.cookie("carol", Role::Admin);
    for route in &table() {
        for host in ["evil.example", "127.0.0.1.evil.example:8088", ""] {
            let headers = [("cookie", cookie.as_str()), ("host", host)];
            let status = world.status(route, &headers).await;
            assert_eq!(status, StatusCode::MISDIRECTED_REQUEST, "{}", route.path);
        }
    }
}

#[tokio::test]
async fn auditors_pass_only_to_what_is_theirs() {
    let world = World::new().await;
    let cookie = world.cookie("alice", Role::Auditor);
    let mut refused = 0;
    for route in &table() {
        let expected = match route.door {
            Door::Admin(_) | Door::Recording(_) => StatusCode::FORBIDDEN,
            _ => continue,
        };
        let status = world.status(route, &well(&cookie)).await;
        assert_eq!(status, expected, "{}", route.path);
        refused += 1;
    }
    assert!(refused > 5);
    let written = latest(&world.access(), 1000).unwrap();
    assert_eq!(written.len(), refused);
    for one in written {
        assert!(!one.access.allowed && one.access.user == *"alice");
    }
    let list = Method::GET;
    let answer = world.ask(&list, "/api/v1/sessions", &well(&cookie)).await;
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert!(!String::from_utf8_lossy(&body).contains(&world.id));
}

#[tokio::test]
async fn every_look_at_a_recording_is_written_down_first() {
    let world = World::new().await;
    let cookie = world.cookie("carol", Role::Admin);
    let mut count = 0;
    for route in &table() {
        if !matches!(
            route.door,
            Door::Recording(_) | Door::Recorded(_) | Door::Admin(_)
        ) {
            continue;
        }
        world.status(route, &well(&cookie)).await;
        count += 1;
        let written = latest(&world.access(), 1000).unwrap();
        assert_eq!(written.len(), count, "{}", route.path);
        let access = &written[0].access;
        assert!(access.allowed && access.user == *"carol", "{}", route.path);
        let id = matches!(route.door, Door::Recording(_)).then(|| world.id.as_str().into());
        assert_eq!(access.connection, id, "{}", route.path);
    }
    world.app.accesses.shutdown().await;
    for route in &table() {
        if matches!(
            route.door,
            Door::Recording(_) | Door::Recorded(_) | Door::Admin(_)
        ) {
            let status = world.status(route, &well(&cookie)).await;
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{}", route.path);
        }
    }
}

#[tokio::test]
async fn a_recording_is_only_named_by_its_id() {
    let world = World::new().await;
    let cookie = world.cookie("carol", Role::Admin);
    std::fs::write(world.directory.path().join("secret"), "secret").unwrap();
    let upper = world.id.to_ascii_uppercase();
    let short = &world.id[1..];
    for id in [
        "..",
        "../secret",
        "..%2fsecret",
        "%2e%2e%2fsecret",
        "....//secret",
        "0123456789abcdef0123456789abcdef",
        "0123456789abcdef0123456789abcdeg",
        "%00",
        short,
        upper.as_str(),
    ] {
        for route in table() {
            if !matches!(route.door, Door::Recording(_)) {
                continue;
            }
            let path = world.path(&route).replace(&world.id, id);
            let answer = world.ask(&route.method, &path, &well(&cookie)).await;
            dressed(&answer, route.path);
            assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
        }
    }
}

#[tokio::test]
async fn what_is_not_there_and_what_is_not_done_is_dressed_too() {
    let world = World::new().await;
    for (method, path, expected) in [
        (Method::GET, "/nothing", StatusCode::NOT_FOUND),
        (Method::GET, "/api/v1/nothing", StatusCode::NOT_FOUND),
        (
            Method::DELETE,
            "/api/v1/sessions",
            StatusCode::METHOD_NOT_ALLOWED,
        ),
        (Method::GET, "/api/v1/login", StatusCode::METHOD_NOT_ALLOWED),
        (Method::GET, "/assets/../secret", StatusCode::NOT_FOUND),
    ] {
        let answer = world.ask(&method, path, &[]).await;
        dressed(&answer, path);
        assert_eq!(answer.status(), expected, "{path}");
    }
}
