//! The pages, as the front end was built: they are part of the program.

use crate::answer::Refusal;
use axum::extract::Path;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse as _, Response};
use rust_embed::RustEmbed;

#[derive(RustEmbed)]
#[folder = "$OUT_DIR/ui"]
struct Built;

/// Names of assets hold their hash: what a name stands for never changes.
const FOR_EVER: &str = "public, max-age=31536000, immutable";

/// Whether the program was built with the pages.
pub fn are_built() -> bool {
    Built::get("index.html").is_some()
}

/// The page, which shows what its address says.
pub(crate) async fn index() -> Result<Response, Refusal> {
    let page = Built::get("index.html").ok_or_else(|| {
        Refusal::new(
            StatusCode::NOT_IMPLEMENTED,
            "this program was built without the pages of the viewer, since npm was missing; the API \
             below /api/v1 is served",
        )
    })?;
    let kind = (CONTENT_TYPE, "text/html; charset=utf-8");
    Ok(([kind], page.data).into_response())
}

/// A script, a style or whatever else the page loads.
pub(crate) async fn asset(Path(file): Path<String>) -> Result<Response, Refusal> {
    let asset = Built::get(&format!("assets/{file}")).ok_or_else(Refusal::not_found)?;
    let headers: [(HeaderName, &str); 2] = [(CONTENT_TYPE, kind(&file)), (CACHE_CONTROL, FOR_EVER)];
    Ok((headers, asset.data).into_response())
}

pub(crate) async fn icon() -> Result<Response, Refusal> {
    let icon = Built::get("favicon.svg").ok_or_else(Refusal::not_found)?;
    Ok(([(CONTENT_TYPE, "image/svg+xml")], icon.data).into_response())
}

fn kind(file: &str) -> &'static str {
    match file.rsplit_once('.').map(|(_, extension)| extension) {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("woff2") => "font/woff2",
        Some("wasm") => "application/wasm",
        Some("json" | "map") => "application/json",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
