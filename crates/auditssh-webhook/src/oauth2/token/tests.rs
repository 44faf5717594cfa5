use super::*;
use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::json;

const ISSUER: &str = "https://id.example.com";

/// Of RFC 8037, A: a key for Ed25519, in PKCS#8.
const PRIVATE: &str = "302e020100300506032b6570042204209d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
const PUBLIC: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";

fn private() -> EncodingKey {
    let pairs = PRIVATE.as_bytes().chunks(2);
    let bytes: Vec<u8> = pairs
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect();
    EncodingKey::from_ed_der(&bytes)
}

fn keys() -> Vec<Value> {
    vec![
        json!({"kty": "oct", "k": "aHVudGVyMg", "kid": "one"}),
        json!({"kty": "nonsense"}),
        json!({"kty": "OKP", "crv": "Ed25519", "x": PUBLIC, "kid": "one", "use": "sig"}),
    ]
}

fn made(kid: &str, changes: &Value) -> String {
    let mut claims = json!({
        "iss": ISSUER, "aud": "gate", "sub": "4711", "exp": jsonwebtoken::get_current_timestamp() + 100,
    });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    let mut header = Header::new(Algorithm::EdDSA);
    header.kid = Some(kid.to_owned());
    encode(&header, &claims, &private()).unwrap()
}

fn judged(token: &str) -> Result<Map<String, Value>, String> {
    claims(token, &keys(), ISSUER, "gate").map_err(|failure| failure.to_string())
}

#[test]
fn a_token_for_this_client_is_taken() {
    assert_eq!(judged(&made("one", &json!({}))).unwrap()["sub"], "4711");
    let several = json!({"aud": ["gate", "other"], "azp": "gate"});
    assert!(judged(&made("one", &several)).is_ok());
}

#[test]
fn any_other_is_not() {
    for changes in [
        json!({"iss": "https://evil.example.com"}),
        json!({"aud": "other"}),
        json!({"aud": ["gate", "other"], "azp": "other"}),
        json!({"exp": 1}),
        json!({"exp": null}),
        json!({"nbf": jsonwebtoken::get_current_timestamp() + 1000}),
        json!({"sub": null}),
    ] {
        assert!(judged(&made("one", &changes)).is_err(), "{changes}");
    }
    assert!(judged(&made("two", &json!({}))).is_err());
    let mut forged = made("one", &json!({}));
    let cut = forged.len() - 10;
    let other = if &forged[cut..=cut] == "A" { "B" } else { "A" };
    forged.replace_range(cut..=cut, other);
    assert!(judged(&forged).is_err());
    for nonsense in ["", "a.b.c", "eyJhbGciOiJub25lIn0.e30."] {
        assert!(judged(nonsense).is_err(), "{nonsense}");
    }
}

#[test]
fn a_secret_signs_nothing() {
    let claims = json!({
        "iss": ISSUER, "aud": "gate", "sub": "1", "exp": jsonwebtoken::get_current_timestamp() + 100,
    });
    let mut header = Header::new(Algorithm::HS256);
    header.kid = Some("one".to_owned());
    let token = encode(&header, &claims, &EncodingKey::from_secret(b"hunter2")).unwrap();
    assert!(judged(&token).unwrap_err().contains("not taken"));
}
