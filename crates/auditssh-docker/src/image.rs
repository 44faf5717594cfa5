//! Has the engine have the image.

use crate::backend::Shared;
use crate::engine::Failure;
use crate::settings::{Credentials, Pull};
use auditssh_gateway::backend::Refused;

/// Pulls the image if that is wanted; the user that it names.
pub(crate) async fn ensure(shared: &Shared) -> Result<String, Refused> {
    let image = shared.settings.launch.image();
    let limit = shared.settings.timeouts.container_start;
    let failed = |failure: Failure| Refused::new(format!("image {image}: {failure}"));
    let engine = &shared.engine;
    if shared.settings.pull != Pull::Always
        && let Some(user) = engine.image_user(image).await.map_err(failed)?
    {
        return Ok(user);
    }
    if shared.settings.pull == Pull::Never {
        return Err(Refused::new(format!(
            "image {image}: the engine does not have it, and `imagePullPolicy` is Never; pull it \
             there, or write IfNotPresent"
        )));
    }
    let credentials = shared.settings.credentials.as_ref();
    let pulled = engine.pull(
        reference(image),
        &shared.settings.launch.platform,
        credentials.map(Credentials::for_engine),
    );
    tracing::info!(image, "pulling the image");
    match tokio::time::timeout(limit, pulled).await {
        Ok(pulled) => pulled.map_err(failed)?,
        Err(_) => {
            return Err(Refused::new(format!(
                "image {image}: not pulled within {limit:?} (docker.timeouts.containerStart); pull it \
                 beforehand with `docker pull {image}`, or give it more time, in limits.backendOpen, too"
            )));
        }
    }
    let user = engine.image_user(image).await.map_err(failed)?;
    user.ok_or_else(|| Refused::new(format!("image {image}: it was pulled, but is not there")))
}

/// The name of an image, and its tag or digest: without one, every tag would be pulled.
fn reference(image: &str) -> (&str, &str) {
    if let Some(parts) = image.split_once('@') {
        return parts;
    }
    match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (image, "latest"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_has_one_tag() {
        for (image, expected) in [
            ("busybox", ("busybox", "latest")),
            ("a/b:1.2", ("a/b", "1.2")),
            ("host:5000/a", ("host:5000/a", "latest")),
            ("host:5000/a:b", ("host:5000/a", "b")),
            ("a:b@sha256:0f", ("a:b", "sha256:0f")),
        ] {
            assert_eq!(reference(image), expected);
        }
    }
}
