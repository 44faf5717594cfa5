//! Who may pass: what is asked of every request before anything is done for it.

use crate::answer::Refusal;
use crate::app::App;
use crate::hosts::Stray;
use crate::log;
use crate::peer::Peer;
use crate::sessions::Session;
use crate::store::Id;
use crate::users::Role;
use auditssh_log::extension::Access;
use axum::extract::{FromRequestParts, RawPathParams, Request, State};
use axum::http::header::COOKIE;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use std::net::IpAddr;
use std::time::Instant;

/// The cookie of a session over TLS, and without. A browser takes the first from nobody else.
const SECURE_COOKIE: &str = "__Host-auditssh";
const PLAIN_COOKIE: &str = "auditssh";

/// Who may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    /// Anyone: the pages, which show nothing by themselves. Links to them may stand anywhere.
    Page,
    /// Anyone, from a page of ours.
    Open,
    /// Who is logged in.
    Viewer,
    /// Who is logged in, and it is written down what was asked.
    Recorded(&'static str),
    /// Who is an admin, and it is written down what was asked.
    Admin(&'static str),
    /// Who is logged in and may see the recording `{id}`; it is written down what of it was asked.
    Recording(&'static str),
}

/// What stands behind a door.
#[derive(Clone, Debug)]
pub(crate) struct Guarded {
    pub(crate) app: App,
    pub(crate) door: Door,
    /// Whether it changes something.
    pub(crate) changes: bool,
}

/// Someone who passed a door, and the recording behind it.
#[derive(Clone, Debug)]
pub(crate) struct Passed {
    pub(crate) session: Session,
    client: IpAddr,
    /// The recording; there is one behind [`Door::Recording`].
    pub(crate) recording: Option<Id>,
}

/// Where a request comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Client(pub(crate) IpAddr);

impl<S: Sync> FromRequestParts<S> for Passed {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Refusal> {
        // There is one behind every door that asks for it: what else asks is refused.
        parts.extensions.get().cloned().ok_or_else(login_first)
    }
}

impl Passed {
    /// What is written down of an access that is allowed.
    pub(crate) fn access(&self, action: &str, detail: &str) -> Access {
        let viewer = &self.session.viewer;
        Access {
            user: viewer.user.as_str().into(),
            role: viewer.role.word().into(),
            address: self.client.to_string().as_str().into(),
            action: action.into(),
            connection: self.recording.as_ref().map(|id| id.as_str().into()),
            detail: detail.into(),
            allowed: true,
        }
    }

    /// The recording that may be seen.
    pub(crate) fn id(&self) -> Result<Id, Refusal> {
        self.recording.clone().ok_or_else(Refusal::not_found)
    }
}

/// Asks what a door asks, and lets pass, or refuses.
pub(crate) async fn guard(
    State(guarded): State<Guarded>,
    request: Request,
    next: Next,
) -> Response {
    let app = &guarded.app;
    let (mut parts, body) = request.into_parts();
    let Ok(asked) = app.hosts.host(&parts.headers) else {
        return stray(Stray::Host).into_response();
    };
    let passed = judge(&guarded, &mut parts).await;
    parts.extensions.insert(asked);
    let mut answer = match passed {
        Err(refusal) => refusal.into_response(),
        Ok(passed) => {
            let session = passed.as_ref().map(|passed| passed.session.end.clone());
            if let Some(passed) = passed {
                parts.extensions.insert(passed);
            }
            let answer = next.run(Request::from_parts(parts, body)).await;
            match session {
                // Whoever was logged out meanwhile gets nothing more.
                Some(end) if end.is_cancelled() && !guarded.changes => {
                    login_first().into_response()
                }
                _ => answer,
            }
        }
    };
    answer.extensions_mut().insert(asked);
    answer
}

async fn judge(guarded: &Guarded, parts: &mut Parts) -> Result<Option<Passed>, Refusal> {
    let (app, door) = (&guarded.app, guarded.door);
    if door == Door::Page {
        return Ok(None);
    }
    let stays = app.hosts.origin(&parts.headers, guarded.changes);
    stays.map_err(stray)?;
    let client = client(app, parts);
    parts.extensions.insert(Client(client));
    if door == Door::Open {
        return Ok(None);
    }
    let session = session(app, &parts.headers).ok_or_else(login_first)?;
    let mut passed = Passed {
        session,
        client,
        recording: None,
    };
    let (action, allowed) = match door {
        Door::Page | Door::Open | Door::Viewer => return Ok(Some(passed)),
        Door::Recorded(action) => (action, true),
        Door::Admin(action) => (action, passed.session.viewer.role == Role::Admin),
        Door::Recording(action) => {
            let id = id(parts).await.ok_or_else(Refusal::not_found)?;
            let allowed = sees(app, &passed.session, &id).await?;
            passed.recording = Some(id);
            (action, allowed)
        }
    };
    let access = passed.access(action, &detail(parts));
    app.record(Access { allowed, ..access }).await?;
    if !allowed {
        let user = &passed.session.viewer.user;
        tracing::warn!(user, %client, action, "refused");
        return Err(Refusal::new(StatusCode::FORBIDDEN, "this is not for you"));
    }
    Ok(Some(passed))
}

/// Where a request comes from.
fn client(app: &App, parts: &Parts) -> IpAddr {
    let unknown = IpAddr::from([0, 0, 0, 0]);
    let peer = parts.extensions.get::<Peer>();
    peer.map_or(unknown, |peer| peer.client(&parts.headers, &app.proxies))
}

/// The session that the request's cookie names.
pub(crate) fn session(app: &App, headers: &HeaderMap) -> Option<Session> {
    let secure = app.hosts.host(headers).ok()?.secure;
    app.sessions.find(token(headers, secure)?, Instant::now())
}

/// What stands in the cookie of the session.
pub(crate) fn token(headers: &HeaderMap, secure: bool) -> Option<&str> {
    named(headers, cookie(secure))
}

/// What stands in the cookie of a name.
pub(crate) fn named<'a>(headers: &'a HeaderMap, wanted: &str) -> Option<&'a str> {
    let texts = headers.get_all(COOKIE).iter();
    let mut cookies = texts
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(';'))
        .filter_map(|cookie| cookie.trim().split_once('='));
    let (_, token) = cookies.find(|(name, _)| *name == wanted)?;
    Some(token)
}

/// The name of the cookie.
pub(crate) const fn cookie(secure: bool) -> &'static str {
    if secure { SECURE_COOKIE } else { PLAIN_COOKIE }
}

/// The id in the path, if it is one.
async fn id(parts: &mut Parts) -> Option<Id> {
    let params = RawPathParams::from_request_parts(parts, &()).await.ok()?;
    let (_, id) = params.iter().find(|(name, _)| *name == "id")?;
    Id::parse(id)
}

/// Whether a viewer may see a recording; an error if there is none.
async fn sees(app: &App, session: &Session, id: &Id) -> Result<bool, Refusal> {
    let (store, id) = (app.store.clone(), id.clone());
    let login = app.readers(&id).ask(move || {
        let login = log::login(&store, &id);
        login.map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Refusal::not_found(),
            _ => Refusal::unreadable(&error),
        })
    });
    let sight = app.sight(&session.viewer);
    Ok(sight.sees(login.await?.as_deref()))
}

/// What else tells what was asked for: what follows the id in the path, and the query.
fn detail(parts: &Parts) -> String {
    let path = parts.uri.path();
    let rest = path.splitn(6, '/').nth(5).unwrap_or_default();
    match parts.uri.query() {
        Some(query) => format!("{rest}?{query}"),
        None => rest.to_owned(),
    }
}

fn login_first() -> Refusal {
    Refusal::new(StatusCode::UNAUTHORIZED, "log in first")
}

fn stray(stray: Stray) -> Refusal {
    match stray {
        Stray::Host => Refusal::new(
            StatusCode::MISDIRECTED_REQUEST,
            "the viewer is not reached by this name; `web.urls` lists those that it has",
        ),
        Stray::Origin => Refusal::new(
            StatusCode::FORBIDDEN,
            "only pages of the viewer itself may ask this",
        ),
    }
}
