//! Logging in and out.

use crate::answer::Refusal;
use crate::app::App;
use crate::door::{Client, Passed, cookie, token};
use crate::hosts::Asked;
use crate::password::PASSWORD_BYTES;
use crate::peer::network;
use crate::users::Viewer;
use crate::who::Who;
use auditssh_log::extension::Access;
use auditssh_view::Visible;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest as _, Request, State};
use axum::http::header::SET_COOKIE;
use axum::http::{HeaderMap, HeaderName, StatusCode};
use axum::{Extension, Json};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use zeroize::Zeroizing;

/// Names longer than this are nobody's.
const NAME_BYTES: usize = 256;
/// How long a login waits while others are checked.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the body of a login may take.
const BODY: Duration = Duration::from_secs(10);

/// What a login says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Login {
    user: String,
    #[serde(deserialize_with = "secret")]
    password: Zeroizing<String>,
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Zeroizing<String>, D::Error> {
    String::deserialize(deserializer).map(Zeroizing::new)
}

pub(crate) async fn login(
    State(app): State<App>,
    Extension(asked): Extension<Asked>,
    Extension(Client(client)): Extension<Client>,
    request: Request,
) -> Result<([(HeaderName, String); 1], Json<Value>), Refusal> {
    let login = tokio::time::timeout(BODY, Json::from_request(request, &()));
    let login: Result<Json<Login>, JsonRejection> = login.await.map_err(|_| {
        Refusal::new(
            StatusCode::REQUEST_TIMEOUT,
            "the request did not come in time",
        )
    })?;
    let Json(login) = login.map_err(|error| Refusal::new(error.status(), error.body_text()))?;
    let before = app.who.load_full();
    let viewer = check(&app, &before, client, login).await?;
    let body = json!({"user": viewer.user, "role": viewer.role.word()});
    let token = app.sessions.begin(viewer.clone(), Instant::now());
    // The configuration may have been read again meanwhile.
    if !app.who.load().keeps(&viewer, &before) {
        app.sessions.end(&token);
        return Err(wrong());
    }
    Ok((set_cookie(asked.secure, &token, None), Json(body)))
}

pub(crate) async fn logout(
    State(app): State<App>,
    Extension(asked): Extension<Asked>,
    Extension(Client(client)): Extension<Client>,
    passed: Passed,
    headers: HeaderMap,
) -> Result<(StatusCode, [(HeaderName, String); 1]), Refusal> {
    if let Some(token) = token(&headers, asked.secure) {
        app.sessions.end(token);
    }
    let viewer = &passed.session.viewer;
    let (user, role) = (viewer.user.as_str(), viewer.role.word());
    app.record(access("logout", user, role, client, true))
        .await?;
    Ok((
        StatusCode::NO_CONTENT,
        set_cookie(asked.secure, "", Some(0)),
    ))
}

async fn check(app: &App, who: &Arc<Who>, client: IpAddr, login: Login) -> Result<Viewer, Refusal> {
    let Login { user, password } = login;
    if user.len() > NAME_BYTES || password.len() >= PASSWORD_BYTES {
        return Err(wrong());
    }
    let (network, now) = (network(client), Instant::now());
    let slow = |wait| Refusal::busy("too many wrong logins; wait, then try again", wait);
    app.clients.take(network, now).map_err(slow)?;
    app.names.take(user.clone(), now).map_err(slow)?;
    let Ok(Ok(permit)) = tokio::time::timeout(PATIENCE, app.checks.acquire()).await else {
        return Err(Refusal::busy("too many logins at once", PATIENCE));
    };
    let (who, name) = (Arc::clone(who), user.clone());
    let checked = tokio::task::spawn_blocking(move || who.users.check(&name, password.as_bytes()));
    let viewer = checked.await.ok().flatten();
    drop(permit);
    let role = viewer.as_ref().map_or("", |viewer| viewer.role.word());
    app.record(access("login", &user, role, client, viewer.is_some()))
        .await?;
    let Some(viewer) = viewer else {
        tracing::warn!(user = %Visible(user.as_bytes()), %client, "login refused");
        return Err(wrong());
    };
    app.clients.give_back(&network);
    app.names.give_back(&user);
    tracing::info!(user = %Visible(user.as_bytes()), %client, "logged in");
    Ok(viewer)
}

fn wrong() -> Refusal {
    Refusal::new(
        StatusCode::UNAUTHORIZED,
        "the name or the password is wrong",
    )
}

pub(crate) fn access(
    action: &str,
    user: &str,
    role: &str,
    client: IpAddr,
    allowed: bool,
) -> Access {
    Access {
        user: user.into(),
        role: role.into(),
        address: client.to_string().as_str().into(),
        action: action.into(),
        allowed,
        ..Access::default()
    }
}

/// The cookie lives as long as the browser; how long the session does, the server decides.
pub(crate) fn set_cookie(secure: bool, token: &str, age: Option<u32>) -> [(HeaderName, String); 1] {
    let name = cookie(secure);
    let secure = if secure { "; Secure" } else { "" };
    let age = age.map_or_else(String::new, |age| format!("; Max-Age={age}"));
    let text = format!("{name}={token}; Path=/; HttpOnly; SameSite=Strict{secure}{age}");
    [(SET_COOKIE, text)]
}
