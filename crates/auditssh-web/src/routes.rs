//! Everything that is served: one table, of which the router is made, and the tests of the doors.

use crate::answer::{Refusal, dress};
use crate::api::{
    access, downloads, events, facts, files, health, input, list, live, me, timeline,
};
use crate::app::App;
use crate::door::{Door, Guarded, guard};
use crate::login;
use crate::oidc;
use crate::pages;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, StatusCode};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{self as on, MethodRouter};

/// The largest body of a request, in bytes: a login.
const LARGEST: usize = 8 << 10;

/// One thing that is served.
pub(crate) struct Route {
    pub(crate) method: Method,
    pub(crate) path: &'static str,
    pub(crate) door: Door,
    handler: MethodRouter<App>,
}

/// All that is served.
#[rustfmt::skip]
pub(crate) fn table() -> Vec<Route> {
    use Door::{Admin, Open, Page, Recorded, Recording, Viewer};
    let read = |path, door, handler| Route { method: Method::GET, path, door, handler };
    let write = |path, door, handler| Route { method: Method::POST, path, door, handler };
    vec![
        read("/", Page, on::get(pages::index)),
        read("/login", Page, on::get(pages::index)),
        read("/search", Page, on::get(pages::index)),
        read("/access", Page, on::get(pages::index)),
        read("/sessions/{id}", Page, on::get(pages::index)),
        read("/assets/{*file}", Page, on::get(pages::asset)),
        read("/favicon.ico", Page, on::get(pages::icon)),
        read("/favicon.svg", Page, on::get(pages::icon)),
        read("/health", Page, on::get(health)),
        read("/oidc/login", Page, on::get(oidc::begin)),
        read(oidc::CALLBACK, Page, on::get(oidc::back)),
        write("/api/v1/login", Open, on::post(login::login)),
        write("/api/v1/logout", Viewer, on::post(login::logout)),
        read("/api/v1/me", Open, on::get(me)),
        read("/api/v1/access", Admin("accesses"), on::get(access::latest)),
        read("/api/v1/live", Viewer, on::get(live::changes)),
        read("/api/v1/sessions", Viewer, on::get(list::list)),
        read("/api/v1/search", Recorded("search"), on::get(list::search)),
        read("/api/v1/sessions/{id}", Recording("view"), on::get(facts::facts)),
        read("/api/v1/sessions/{id}/events", Recording("view"), on::get(events::events)),
        read("/api/v1/sessions/{id}/timeline", Recording("view"), on::get(timeline::timeline)),
        read("/api/v1/sessions/{id}/channels/{channel}/cast", Recording("view"), on::get(downloads::cast)),
        read("/api/v1/sessions/{id}/input", Recording("view"), on::get(input::input)),
        read("/api/v1/sessions/{id}/live", Recording("view"), on::get(live::watch)),
        read("/api/v1/sessions/{id}/verify", Recording("verify"), on::get(facts::verify)),
        read("/api/v1/sessions/{id}/files", Recording("view"), on::get(files::list)),
        read("/api/v1/sessions/{id}/files/{number}", Recording("download"), on::get(files::content)),
        read("/api/v1/sessions/{id}/download", Recording("download"), on::get(downloads::download)),
    ]
}

/// The router: nothing is reached but through its door.
pub(crate) fn router(app: &App) -> Router {
    let mut router = Router::new();
    for route in table() {
        let guarded = Guarded {
            app: app.clone(),
            door: route.door,
            changes: route.method != Method::GET,
        };
        let door = from_fn_with_state(guarded, guard);
        router = router.route(route.path, route.handler.layer(door));
    }
    router
        .fallback(async || Refusal::not_found())
        .method_not_allowed_fallback(async || {
            Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "this is not done so")
        })
        .layer(DefaultBodyLimit::max(LARGEST))
        .layer(from_fn(dress))
        .with_state(app.clone())
}
