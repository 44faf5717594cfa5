//! `kubernetes.connection`.

use crate::config::at::At;
use crate::config::check::report::Report;
use crate::config::raw::{Connection, IN_CLUSTER};
use crate::config::secret::Secret;
use auditssh_kubernetes::{Access, Pem, SecretString, Server, Token};

/// Hosts that are this machine, to which nothing can be overheard.
const HERE: [&str; 3] = ["127.0.0.1", "[::1]", "localhost"];

/// The way to the API server; `None` after a fault. What must be there is demanded of the backend
/// only.
pub(super) fn check(block: &Connection, is_backend: bool, report: &mut Report) -> Option<Access> {
    if !matches!(block.path.value.as_str(), "" | "/" | "/api") {
        report.fault(
            &block.path,
            "`path` must be /api; what stands before it belongs to `host`, as in \
             https://example.com/prefix",
        );
    }
    if let Some(file) = &block.kubeconfig {
        return kubeconfig(block, file, report);
    }
    if let Some(context) = &block.context {
        report.fault(
            context,
            "`context` is one of `kubeconfig`, which is missing",
        );
    }
    let authority = pem(
        block.cacert.as_ref(),
        block.cacert_file.as_ref(),
        "cacert",
        report,
    );
    let certificate = pem(
        block.cert.as_ref(),
        block.cert_file.as_ref(),
        "cert",
        report,
    );
    let key = pem(block.key.as_ref(), block.key_file.as_ref(), "key", report);
    let token = token(block, report);
    let password = password(block, report);
    let host = &block.host;
    let nothing = authority.is_none() && certificate.is_none() && key.is_none();
    if host.value == IN_CLUSTER && nothing && token.is_none() && password.is_none() {
        return Some(Access::InCluster);
    }
    let url = url(host, report)?;
    let certificate = match (certificate, key) {
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, None) => None,
        _ => {
            report.fault(
                host,
                "a certificate and its key belong together: `certFile` and `keyFile`, or `cert` and \
                 `key`",
            );
            return None;
        }
    };
    let open = token.is_none() && certificate.is_none() && password.is_none();
    if is_backend && open && url.starts_with("https") {
        report.fault(
            host,
            "`host` is given, but nothing that the gateway proves itself with there: \
             `bearerTokenFile`, `certFile` and `keyFile`, or a `kubeconfig`",
        );
    }
    let name = &block.server_name.value;
    Some(Access::Server(Box::new(Server {
        url,
        name: (!name.is_empty()).then(|| name.clone()),
        authority,
        certificate,
        password,
        token,
    })))
}

fn kubeconfig(block: &Connection, file: &At<String>, report: &mut Report) -> Option<Access> {
    if file.value.is_empty() {
        report.fault(file, "`kubeconfig` is empty: give the path of a file");
        return None;
    }
    let texts = [
        &block.cacert_file,
        &block.cert_file,
        &block.key_file,
        &block.bearer_token_file,
    ];
    let secrets = [
        &block.cacert,
        &block.cert,
        &block.key,
        &block.bearer_token,
        &block.password,
    ];
    let others = texts.iter().any(|text| text.is_some())
        || secrets.iter().any(|secret| secret.is_some())
        || !block.username.value.is_empty()
        || !block.server_name.value.is_empty()
        || block.host.value != IN_CLUSTER;
    if others {
        report.fault(
            file,
            "`kubeconfig` says where the API server is and what the gateway proves itself with; \
             remove the other settings of that, or this one",
        );
    }
    Some(Access::Kubeconfig {
        file: (&file.value).into(),
        context: block.context.as_ref().map(|context| context.value.clone()),
    })
}

/// The URL of a host: without a scheme it is TLS.
fn url(host: &At<String>, report: &mut Report) -> Option<String> {
    let text = host.value.trim_end_matches('/');
    let (scheme, rest) = text.split_once("://").unwrap_or(("https", text));
    let bare = rest.split('/').next().unwrap_or_default();
    let plain = |letter: char| letter.is_ascii_graphic() && !"@?#\\".contains(letter);
    if bare.is_empty() || !rest.chars().all(plain) {
        report.fault(
            host,
            "`host` must be a host, host:port, or a URL with https://",
        );
        return None;
    }
    let here = HERE.iter().any(|name| {
        let port = bare.strip_prefix(name);
        port.is_some_and(|port| port.is_empty() || port.starts_with(':'))
    });
    match scheme {
        "https" => {}
        "http" if here => {}
        _ => {
            report.fault(
                host,
                "`host` must begin with https://, since secrets are sent there; http:// is for \
                 127.0.0.1 and localhost",
            );
            return None;
        }
    }
    Some(format!("{scheme}://{rest}"))
}

/// PEM that is given as text or as a file, or either as the other: what begins like PEM is PEM.
fn pem(
    text: Option<&At<Secret>>,
    file: Option<&At<String>>,
    key: &str,
    report: &mut Report,
) -> Option<Pem> {
    match (text, file) {
        (Some(_), Some(file)) => {
            let message = format!("both `{key}` and `{key}File` are given; remove one of them");
            report.fault(file, message);
            None
        }
        (Some(text), None) => {
            let exposed = text.value.expose();
            if exposed.trim_start().starts_with("-----") {
                return Some(Pem::Text(SecretString::from(exposed)));
            }
            report.fault(
                text,
                format!("`{key}` must be PEM text; for a file there is `{key}File`"),
            );
            None
        }
        (None, Some(file)) => {
            if file.value.is_empty() {
                report.fault(
                    file,
                    format!("`{key}File` is empty: give the path of a file"),
                );
                return None;
            }
            Some(Pem::File((&file.value).into()))
        }
        (None, None) => None,
    }
}

fn token(block: &Connection, report: &mut Report) -> Option<Token> {
    match (&block.bearer_token, &block.bearer_token_file) {
        (Some(_), Some(file)) => {
            report.fault(
                file,
                "both `bearerToken` and `bearerTokenFile` are given; remove one of them",
            );
            None
        }
        (Some(token), None) => {
            let text = token.value.expose();
            let visible = |letter: u8| letter.is_ascii_graphic();
            if text.is_empty() || !text.bytes().all(visible) {
                report.fault(token, "`bearerToken` is empty, or no token");
                return None;
            }
            Some(Token::Text(SecretString::from(text)))
        }
        (None, Some(file)) => Some(Token::File((&file.value).into())),
        (None, None) => None,
    }
}

fn password(block: &Connection, report: &mut Report) -> Option<(String, SecretString)> {
    let name = &block.username.value;
    match &block.password {
        Some(password) if name.is_empty() => {
            report.fault(password, "`password` is given, but no `username`");
            None
        }
        Some(password) => Some((name.clone(), SecretString::from(password.value.expose()))),
        None if name.is_empty() => None,
        None => {
            report.fault(&block.username, "`username` is given, but no `password`");
            None
        }
    }
}
