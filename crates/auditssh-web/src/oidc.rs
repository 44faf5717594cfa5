//! Logging in at a provider of OpenID Connect: the browser is sent there, and comes back with a code.

use crate::answer::Refusal;
use crate::app::App;
use crate::door::named;
use crate::hosts::Asked as Name;
use crate::login::{access, set_cookie};
use crate::peer::Peer;
use crate::users::{Role, Viewer};
use async_trait::async_trait;
use auditssh_view::Visible;
use auditssh_view::files::hex;
use axum::Extension;
use axum::extract::State;
use axum::http::header::{LOCATION, SET_COOKIE};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use serde::Deserialize;
use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

/// The cookie that binds a login to the browser that began it.
const COOKIE_NAME: &str = "auditssh-oidc";
const SECURE_COOKIE: &str = "__Host-auditssh-oidc";
/// Where the provider sends the browser.
pub(crate) const CALLBACK: &str = "/oidc/callback";
/// How long a person may take at the provider, and how many may be there.
const PATIENCE: Duration = Duration::from_mins(10);
const MOST: usize = 1000;
/// Questions put to the provider at once.
const QUESTIONS: usize = 8;
/// Longest code that is taken, in bytes.
const LONGEST: usize = 4096;

/// What one login is known by; all of it random but the last.
#[derive(Clone)]
pub struct Asked {
    /// Comes back with the browser: the answer belongs to this login.
    pub state: Zeroizing<String>,
    /// Comes back in the token: the token belongs to this login.
    pub nonce: Zeroizing<String>,
    /// Proves that who exchanges the code has asked for it.
    pub verifier: Zeroizing<String>,
    /// Where the provider sends the browser.
    pub redirect: String,
}

impl fmt::Debug for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asked")
            .field("redirect", &self.redirect)
            .finish_non_exhaustive()
    }
}

/// Who logged in at a provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The name.
    pub name: String,
    /// The groups.
    pub groups: Vec<String>,
}

/// A provider. Errors are for the server's log.
#[async_trait]
pub trait Provider: fmt::Debug + Send + Sync {
    /// The page to which the browser is sent.
    async fn page(&self, asked: &Asked) -> Result<String, String>;
    /// Who came back with a code.
    async fn person(&self, asked: &Asked, code: &str) -> Result<Person, String>;
}

/// Who of a provider's users may look.
#[derive(Clone, Debug)]
pub struct Oidc {
    /// The provider.
    pub provider: Arc<dyn Provider>,
    /// The viewer's own address, as browsers reach it: without a path.
    pub url: String,
    /// Names of admins.
    pub admins: Vec<String>,
    /// Groups of admins.
    pub admin_groups: Vec<String>,
    /// Names of auditors.
    pub auditors: Vec<String>,
    /// Groups of auditors.
    pub auditor_groups: Vec<String>,
}

impl Oidc {
    /// As what someone may look, if at all.
    fn viewer(&self, person: Person) -> Option<Viewer> {
        let is_in = |groups: &[String]| groups.iter().any(|one| person.groups.contains(one));
        let role = if self.admins.contains(&person.name) || is_in(&self.admin_groups) {
            Role::Admin
        } else if self.auditors.contains(&person.name) || is_in(&self.auditor_groups) {
            Role::Auditor
        } else {
            return None;
        };
        Some(Viewer {
            user: person.name,
            role,
            groups: person.groups,
            elsewhere: true,
        })
    }
}

/// Logins that are under way.
#[derive(Debug)]
pub(crate) struct Elsewhere {
    oidc: Oidc,
    pending: Mutex<HashMap<String, Pending>>,
    questions: Semaphore,
}

#[derive(Debug)]
struct Pending {
    asked: Asked,
    since: Instant,
}

impl Elsewhere {
    pub(crate) fn new(oidc: Oidc) -> Self {
        Self {
            oidc,
            pending: Mutex::default(),
            questions: Semaphore::new(QUESTIONS),
        }
    }

    /// A login of its own.
    fn begin(&self) -> Result<Asked, Refusal> {
        let random = || Zeroizing::new(hex(&rand::random::<[u8; 32]>()));
        let asked = Asked {
            state: random(),
            nonce: random(),
            verifier: random(),
            redirect: format!("{}{CALLBACK}", self.oidc.url),
        };
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending.retain(|_, one| one.since.elapsed() < PATIENCE);
        if pending.len() >= MOST {
            return Err(busy());
        }
        let one = Pending {
            asked: asked.clone(),
            since: Instant::now(),
        };
        pending.insert(asked.state.to_string(), one);
        Ok(asked)
    }

    /// The login that comes back; it does so once.
    fn take(&self, state: &str) -> Option<Asked> {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        let found = pending.remove(state)?;
        (found.since.elapsed() < PATIENCE).then_some(found.asked)
    }
}

fn busy() -> Refusal {
    Refusal::busy("too many logins at once", Duration::from_secs(10))
}

fn elsewhere(app: &App) -> Result<&Elsewhere, Refusal> {
    app.elsewhere.as_ref().ok_or_else(Refusal::not_found)
}

/// Sends the browser to the provider.
pub(crate) async fn begin(
    State(app): State<App>,
    Extension(name): Extension<Name>,
) -> Result<Response, Refusal> {
    let elsewhere = elsewhere(&app)?;
    let asked = elsewhere.begin()?;
    let question = elsewhere.questions.try_acquire().map_err(|_| busy())?;
    let page = elsewhere.oidc.provider.page(&asked).await;
    drop(question);
    let page = page.map_err(|error| {
        tracing::error!(%error, "the provider of logins cannot be asked");
        Refusal::new(
            StatusCode::BAD_GATEWAY,
            "the provider of logins cannot be reached; the server's log says why",
        )
    })?;
    // The browser comes back from another site: stricter cookies would stay behind.
    let cookie = cookie(&asked.state, PATIENCE.as_secs(), name.secure);
    Ok(sent(&page, [cookie]))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Back {
    code: String,
    state: String,
    error: String,
}

/// The browser comes back.
pub(crate) async fn back(
    State(app): State<App>,
    Extension(name): Extension<Name>,
    Extension(peer): Extension<Peer>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Refusal> {
    let elsewhere = elsewhere(&app)?;
    let back: Back = crate::api::query(&uri)?;
    let client = peer.client(&headers, &app.proxies);
    let is_same = state_of(&headers, name.secure) == Some(back.state.as_str());
    let asked = elsewhere.take(&back.state).filter(|_| is_same);
    let asked = asked.ok_or_else(|| {
        Refusal::bad("this login was not begun here, or took too long; begin again at /login")
    })?;
    let person = if back.error.is_empty() && back.code.len() <= LONGEST {
        let question = elsewhere.questions.try_acquire().map_err(|_| busy())?;
        let person = elsewhere.oidc.provider.person(&asked, &back.code).await;
        drop(question);
        person
    } else {
        Err("the provider refused it, or it was given up there".to_owned())
    };
    let viewer = admitted(&app, &elsewhere.oidc, person, client).await?;
    tracing::info!(user = %Visible(viewer.user.as_bytes()), %client, "logged in elsewhere");
    let token = app.sessions.begin(viewer, Instant::now());
    let [(_, session)] = set_cookie(name.secure, &token, None);
    Ok(sent("/", [session, cookie("", 0, name.secure)]))
}

/// Who of those that prove themselves may look; what is decided is written down.
async fn admitted(
    app: &App,
    oidc: &Oidc,
    person: Result<Person, String>,
    client: IpAddr,
) -> Result<Viewer, Refusal> {
    let refused = || Refusal::new(StatusCode::FORBIDDEN, "the login was refused");
    let person = match person {
        Ok(person) => person,
        Err(error) => {
            tracing::warn!(%error, %client, "login elsewhere failed");
            app.record(access("login", "", "", client, false)).await?;
            return Err(refused());
        }
    };
    let user = person.name.clone();
    let viewer = oidc.viewer(person);
    let role = viewer.as_ref().map_or("", |viewer| viewer.role.word());
    app.record(access("login", &user, role, client, viewer.is_some()))
        .await?;
    viewer.ok_or_else(|| {
        tracing::warn!(user = %Visible(user.as_bytes()), %client, "login elsewhere refused");
        refused()
    })
}

fn sent<const N: usize>(to: &str, cookies: [String; N]) -> Response {
    let mut answer = (StatusCode::SEE_OTHER, [(LOCATION, to)]).into_response();
    for cookie in cookies {
        if let Ok(cookie) = cookie.parse() {
            answer.headers_mut().append(SET_COOKIE, cookie);
        }
    }
    answer
}

fn cookie(state: &str, age: u64, secure: bool) -> String {
    let (name, secure) = if secure {
        (SECURE_COOKIE, "; Secure")
    } else {
        (COOKIE_NAME, "")
    };
    format!("{name}={state}; Path=/; HttpOnly; SameSite=Lax; Max-Age={age}{secure}")
}

fn state_of(headers: &HeaderMap, secure: bool) -> Option<&str> {
    named(headers, if secure { SECURE_COOKIE } else { COOKIE_NAME })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Nobody;

    #[async_trait]
    impl Provider for Nobody {
        async fn page(&self, _: &Asked) -> Result<String, String> {
            Err(String::new())
        }
        async fn person(&self, _: &Asked, _: &str) -> Result<Person, String> {
            Err(String::new())
        }
    }

    fn oidc() -> Oidc {
        Oidc {
            provider: Arc::new(Nobody),
            url: "https://viewer.example.com".into(),
            admins: vec!["carol".into()],
            admin_groups: vec!["root".into()],
            auditors: vec!["alan".into()],
            auditor_groups: vec!["audit".into()],
        }
    }

    #[test]
    fn only_who_is_named_may_look() {
        let role = |name: &str, groups: &[&str]| {
            let groups = groups.iter().map(|group| (*group).to_owned()).collect();
            let name = name.to_owned();
            let viewer = oidc().viewer(Person { name, groups });
            viewer.map(|viewer| viewer.role)
        };
        assert_eq!(role("carol", &[]), Some(Role::Admin));
        assert_eq!(role("eve", &["audit", "root"]), Some(Role::Admin));
        assert_eq!(role("alan", &[]), Some(Role::Auditor));
        assert_eq!(role("eve", &["audit"]), Some(Role::Auditor));
        assert_eq!(role("eve", &["other"]), None);
        assert_eq!(role("root", &[]), None);
    }

    #[test]
    fn a_login_comes_back_once() {
        let elsewhere = Elsewhere::new(oidc());
        let asked = elsewhere.begin().unwrap();
        assert!(elsewhere.take("").is_none());
        assert!(elsewhere.take(&asked.state).is_some());
        assert!(elsewhere.take(&asked.state).is_none());
        for _ in 0..MOST {
            elsewhere.begin().unwrap();
        }
        assert!(elsewhere.begin().is_err());
    }
}
