use super::*;

fn access(number: usize) -> Access {
    Access {
        user: "alice".into(),
        action: "view".into(),
        detail: number.to_string().as_str().into(),
        allowed: true,
        ..Access::default()
    }
}

fn open(directory: &Path) -> Accesses {
    Accesses::open(Settings {
        directory: directory.to_owned(),
        signing_key: None,
    })
    .unwrap()
}

#[tokio::test]
async fn what_is_written_is_there_at_once_and_after_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path().join("access");
    let accesses = open(&directory);
    for number in 0..10 {
        accesses.record(access(number)).await.unwrap();
    }
    let found = latest(&directory, 3).unwrap();
    let details: Vec<_> = found.iter().map(|one| one.access.clone()).collect();
    assert_eq!(details, [access(9), access(8), access(7)]);
    accesses.shutdown().await;
    drop(accesses);
    let accesses = open(&directory);
    accesses.record(access(10)).await.unwrap();
    assert_eq!(latest(&directory, 100).unwrap().len(), 11);
    accesses.shutdown().await;
    for log in auditssh_archive::verify::logs(&directory).unwrap() {
        let report = auditssh_archive::verify::check_log(&log).report.unwrap();
        assert_eq!(report.verdict.word(), "intact");
    }
}

#[tokio::test]
async fn what_cannot_be_written_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let accesses = open(&directory.path().join("access"));
    accesses.record(access(1)).await.unwrap();
    accesses.shutdown().await;
    assert!(accesses.record(access(2)).await.is_err());
}

#[tokio::test]
async fn long_texts_are_cut() {
    let directory = tempfile::tempdir().unwrap();
    let directory = directory.path().join("access");
    let accesses = open(&directory);
    let long = Access {
        detail: "x".repeat(5000).as_str().into(),
        ..access(1)
    };
    accesses.record(long).await.unwrap();
    let found = latest(&directory, 1).unwrap();
    assert_eq!(found[0].access.detail.as_bytes().len(), LONGEST_DETAIL);
}
