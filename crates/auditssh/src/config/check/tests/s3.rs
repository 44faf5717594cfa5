use super::*;

const DOCUMENTED: &str = "\
audit:
  format: audit
  storage: s3
  intercept: {stdout: true}
  s3:
    local: /local/storage/directory
    accessKey: \"AKIA\"
    secretKey: \"hunter2\"
    bucket: \"your-existing-bucket-name-here\"
    region: \"your-region-name-here\"
    endpoint: \"https://your-custom-s3-url\"
    uploadPartSize: 5242880
    acl: \"public-read\"
    metadata: {username: true, ip: true}
    cacert: |
      -----BEGIN CERTIFICATE-----
      MIIBhjCCAS2gAwIBAgIUaoM7UXPfHuEeP5rZXDHiLA5JYGEwCgYIKoZIzj0EAwIw
      GDEWMBQGA1UEAwwNc3RvcmUuZXhhbXBsZTAgFw0yNjExMjUyMjE2NDJaGA8yMTI2
      MTEwMTIyMTY0MlowGDEWMBQGA1UEAwwNc3RvcmUuZXhhbXBsZTBZMBMGByqGSM49
      AgEGCCqGSM49AwEHA0IABF+tLNIk7AkTlRQeJlIXNWKEhLmcBJ+MdnVgAx7r49rg
      UgcYTiO3O1G8rVHkam1g/FBzmBRvwUrrXGwI2njTbB6jUzBRMB0GA1UdDgQWBBRP
      wruQrSKdLVgnbefHDFtNFXx2FjAfBgNVHSMEGDAWgBRPwruQrSKdLVgnbefHDFtN
      FXx2FjAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49BAMCA0cAMEQCICHnyD3Crmg8
      sFNacrwu+QMNUSEm+cbop1gXtOJoEdWDAiBcxYG1PCykH7ea+mRPzLqkjeapBKjB
      BXr6gKvHzqS+Vg==
      -----END CERTIFICATE-----
";

fn s3(block: &str) -> String {
    format!("audit:\n  format: audit\n  storage: s3\n  s3:\n    bucket: logs\n    {block}\n")
}

#[test]
fn the_documented_block_is_served() {
    let loaded = loaded(DOCUMENTED);
    let audit = &loaded.config.audit[0];
    let bucket = audit.bucket.as_ref().unwrap();
    assert_eq!(audit.directory.path, Path::new("/local/storage/directory"));
    assert_eq!(bucket.part_size, 5 << 20);
    assert_eq!(bucket.parallel, 20);
    assert!(bucket.connection.path_style && bucket.metadata.ip && bucket.metadata.username);
    assert_eq!(
        bucket.connection.region.as_deref(),
        Some("your-region-name-here")
    );
    assert_eq!(bucket.objects.acl.as_deref(), Some("public-read"));
    for shown in [format!("{:?}", loaded.config), loaded.shown.to_string()] {
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}

#[test]
fn a_bucket_alone_is_enough() {
    let mut config = loaded(&s3("")).config;
    let bucket = config.audit.remove(0).bucket.unwrap();
    assert_eq!(bucket.local, Path::new("/var/lib/audit"));
    assert!(matches!(
        bucket.connection.credentials,
        auditssh_s3::Credentials::Usual
    ));
    assert!(!bucket.connection.path_style);
    assert_eq!(bucket.objects.lock, auditssh_s3::ObjectLock::default());
}

#[test]
fn what_is_switched_off_need_not_be_complete() {
    for text in [
        "audit: {enable: false, format: audit, storage: s3}",
        "audit: {enable: false, format: audit, type: s3, s3: {accessKey: a}}",
        "audit: {format: none, storage: s3}",
    ] {
        assert!(loaded(text).config.audit.is_empty(), "{text}");
    }
}

#[test]
fn what_is_wrong_is_named_without_secrets() {
    for (block, expected) in [
        (
            "prefix: /a",
            "6:13: `audit.s3.prefix`: it must neither begin with",
        ),
        ("uploadPartSize: 5MB", "not a size"),
        (
            "uploadPartSize: 1MiB",
            "6:21: `audit.s3.uploadPartSize`: 1MiB is out of bounds: it must lie between 5MiB and 5GiB",
        ),
        (
            "parallelUploads: 0",
            "`audit.s3.parallelUploads`: 0 is out of bounds",
        ),
        ("acl: everyone", "6:10: `audit.s3.acl` is none of private, "),
        (
            "secretKey: hunter2",
            "5:5: `audit.s3`: `accessKey` is missing",
        ),
        (
            "endpoint: \"https://u:hunter2@host\"",
            "6:15: `audit.s3.endpoint` must be a URL",
        ),
        (
            "cacert: /etc/ca.pem",
            "6:13: `audit.s3.cacert` holds no certificate",
        ),
        ("serverSideEncryption: hunter2", "must be AES256 or aws:kms"),
        ("kmsKeyId: x", "needs `serverSideEncryption: aws:kms`"),
        (
            "objectLock: {mode: COMPLIANCE}",
            "6:24: `audit.s3.objectLock.mode` needs `days`",
        ),
        (
            "objectLock: {days: 3}",
            "`audit.s3.objectLock.days` needs `mode`",
        ),
        (
            "objectLock: {mode: FOREVER, days: 3}",
            "unknown value `FOREVER`",
        ),
        ("tags: {'': x}", "`audit.s3.tags` may be 10"),
        (
            "storageClass: standard",
            "`audit.s3.storageClass` is no storage class",
        ),
        (
            "secretKeyFile: /no/such/file",
            "/no/such/file: No such file",
        ),
        (
            "secretkey: hunter2",
            "unknown key `audit.s3.secretkey`; did you mean `secretKey`?",
        ),
    ] {
        let said = faults(&s3(block)).join("\n");
        assert!(said.contains(expected), "{expected}\nis not in\n{said}");
        assert!(!said.contains("hunter2"), "{said}");
    }
    assert_eq!(
        faults("audit:\n  format: audit\n  storage: s3\n"),
        ["3:12: `audit.storage`: s3 needs the block `audit.s3`, at least with a `bucket`"]
    );
}

#[test]
fn a_secret_may_stand_in_a_file() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("secret");
    fs::write(&file, "hunter2\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let text = s3(&format!(
        "accessKey: a\n    secretKeyFile: {}",
        file.display()
    ));
    let config = loaded(&text).config;
    let shown = format!("{config:?}");
    assert!(
        shown.contains("secret)") && !shown.contains("hunter2"),
        "{shown}"
    );
    assert!(!warnings(&text).contains("secret can be read"));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    assert!(warnings(&text).contains("secret can be read by everyone"));
    let both = faults(&format!("{text}    secretKey: hunter2\n")).join("\n");
    assert!(
        both.contains("both `secretKey` and `secretKeyFile`"),
        "{both}"
    );
}
