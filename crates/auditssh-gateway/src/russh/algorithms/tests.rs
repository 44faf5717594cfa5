use super::*;

const NISTP256: Algorithm = Algorithm::Ecdsa {
    curve: EcdsaCurve::NistP256,
};

fn names(all: &[&str]) -> Vec<String> {
    all.iter().map(|name| (*name).to_owned()).collect()
}

#[test]
fn names_are_taken_in_their_order_and_unknown_ones_refused() {
    let mut algorithms = Algorithms::for_servers();
    algorithms
        .set_ciphers(&names(&["aes128-ctr", "aes256-gcm@openssh.com"]))
        .unwrap();
    let chosen: Vec<_> = algorithms.preferred().cipher.iter().copied().collect();
    assert_eq!(chosen, [cipher::AES_128_CTR, cipher::AES_256_GCM]);
    for old in ["aes128-cbc", "arcfour", "none", ""] {
        let error = algorithms.set_ciphers(&names(&[old])).unwrap_err();
        assert!(
            error.to_string().contains("aes256-gcm@openssh.com"),
            "{error}"
        );
    }
    assert!(
        algorithms
            .set_kex(&names(&["diffie-hellman-group1-sha1"]))
            .is_err()
    );
    assert!(algorithms.set_kex(&names(&["none"])).is_err());
    assert!(algorithms.set_macs(&names(&["hmac-sha1"])).is_err());
}

#[test]
fn no_host_key_is_proven_with_sha_1() {
    let mut algorithms = Algorithms::for_servers();
    algorithms
        .set_host_keys(&names(&[
            "ssh-rsa",
            "ecdsa-sha2-nistp256-cert-v01@openssh.com",
        ]))
        .unwrap();
    let key = algorithms.preferred().key.to_vec();
    assert!(key.contains(&NISTP256));
    assert!(!key.contains(&Algorithm::Rsa { hash: None }));
    assert!(!key.contains(&Algorithm::Ed25519));
    assert!(algorithms.set_host_keys(&names(&["ssh-dss"])).is_err());
}

#[test]
fn kinds_that_are_known_come_first() {
    let rsa = Algorithm::Rsa { hash: None };
    let algorithms = Algorithms::for_servers().preferring(&[rsa], true);
    let preferred = algorithms.preferred();
    let first: Vec<_> = preferred.key.iter().map(ToString::to_string).collect();
    assert_eq!(first[..3], ["rsa-sha2-512", "rsa-sha2-256", "ssh-ed25519"]);
    assert_eq!(preferred.host_key_certificates.len(), first.len());
    let plain = Algorithms::for_servers().preferred();
    assert!(plain.host_key_certificates.is_empty());
    assert_eq!(plain.key.as_ref(), HOST_KEYS);
}

#[test]
fn a_proposal_is_always_strict() {
    let mut algorithms = Algorithms::for_servers();
    algorithms.set_kex(&names(&["curve25519-sha256"])).unwrap();
    let kex = algorithms.preferred().kex.to_vec();
    assert!(kex.contains(&kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT));
}

#[test]
fn clients_are_offered_what_is_named_and_may_sign_by_anything() {
    let mut algorithms = Algorithms::for_clients();
    algorithms
        .set_kex(&names(&["ecdh-sha2-nistp256", "curve25519-sha256"]))
        .unwrap();
    algorithms.set_host_keys(&names(&["rsa-sha2-256"])).unwrap();
    let preferred = algorithms.preferred();
    assert_eq!(
        preferred.kex[..2],
        [kex::ECDH_SHA2_NISTP256, kex::CURVE25519]
    );
    assert!(
        preferred
            .kex
            .contains(&kex::EXTENSION_OPENSSH_STRICT_KEX_AS_SERVER)
    );
    let key: Vec<_> = preferred.key.iter().map(ToString::to_string).collect();
    assert_eq!(key[..2], ["rsa-sha2-256", "ssh-ed25519"]);
    assert!(!key.contains(&"rsa-sha2-512".to_owned()));
    assert!(algorithms.has(&Algorithm::Rsa { hash: None }));
    assert!(!algorithms.has(&Algorithm::Ed25519));
    let gex = names(&["diffie-hellman-group-exchange-sha256"]);
    assert!(algorithms.set_kex(&gex).is_err());
}
