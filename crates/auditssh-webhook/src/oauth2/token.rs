//! Identity tokens (OpenID Connect Core, 2 and 3.1.3.7).

use crate::failure::Failure;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Map, Value};

/// Signatures that are taken: none that a secret which others share could make.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];
/// Seconds by which clocks may differ.
const LEEWAY: u64 = 60;
/// Keys of a provider that are looked at.
const KEYS: usize = 100;

/// The claims of a token, if a key of the provider has signed it for this client, and not too long
/// ago.
pub(super) fn claims(
    token: &str,
    keys: &[Value],
    issuer: &str,
    client_id: &str,
) -> Result<Map<String, Value>, Failure> {
    let wrong = |what: &str| Failure::Malformed(format!("the identity token: {what}"));
    let header = decode_header(token).map_err(|_| wrong("not a JSON Web Token"))?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err(wrong("a kind of signature that is not taken"));
    }
    let mut validation = Validation::new(header.alg);
    validation.leeway = LEEWAY;
    validation.validate_nbf = true;
    validation.set_issuer(&[issuer]);
    validation.set_audience(&[client_id]);
    validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
    let mut reason = "no key of the provider is the one that it names".to_owned();
    for key in keys.iter().take(KEYS).filter_map(usable) {
        if header.kid.is_some() && key.common.key_id != header.kid {
            continue;
        }
        let Ok(key) = DecodingKey::from_jwk(&key) else {
            continue;
        };
        match decode::<Map<String, Value>>(token, &key, &validation) {
            Ok(decoded) => {
                let claims = decoded.claims;
                let party = claims.get("azp").and_then(Value::as_str);
                if party.is_some_and(|party| party != client_id) {
                    return Err(wrong("made for another client"));
                }
                return Ok(claims);
            }
            Err(error) => reason = error.to_string(),
        }
    }
    Err(wrong(&reason))
}

/// A key that may be one of signatures; others are not looked at.
fn usable(key: &Value) -> Option<Jwk> {
    let public = matches!(key.get("kty")?.as_str()?, "RSA" | "EC" | "OKP");
    let signs = key.get("use").is_none_or(|used| used == "sig");
    if !public || !signs {
        return None;
    }
    serde_json::from_value(key.clone()).ok()
}

#[cfg(test)]
mod tests;
