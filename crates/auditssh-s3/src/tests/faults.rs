use super::*;
use crate::error::Kind;
use crate::testing::{FATES, Fate};
use std::collections::HashMap;
use std::sync::Mutex;
use tokio::time::Instant;

#[tokio::test(start_paused = true)]
async fn any_fault_at_any_request_costs_nothing() {
    let lengths = [40, 250, 200];
    for fate in FATES {
        for faulty in 0..12 {
            let told = format!("request {faulty}: {fate:?}");
            let directory = left(&lengths);
            let plan = move |number, _: &str, _: &str| {
                if number == faulty { fate } else { Fate::Good }
            };
            let store = MemoryStore::new(plan);
            assert!(drive(&start(directory.path(), &store)).await);
            holds(directory.path(), &store, &lengths, &told);
            once(&store, &told);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_of_which_a_third_of_the_answers_is_bad_gets_every_log() {
    for seed in 0..20_u64 {
        let lengths: Vec<u64> = (0..40).map(|number| number * 13).collect();
        let directory = left(&lengths);
        let refusals: Mutex<HashMap<String, u32>> = Mutex::default();
        let store = MemoryStore::new(move |number, _, asked| {
            let chance = crc_fast::crc64_nvme(&(seed << 32 | number).to_le_bytes());
            let fate = match chance % 100 {
                0..30 => FATES[usize::try_from(chance / 100 % 10).unwrap()],
                _ => Fate::Good,
            };
            // A log that is refused five times in a row, and alone, is set aside.
            let mut refusals = lock(&refusals);
            let refused = refusals.entry(asked.to_owned()).or_default();
            match fate {
                Fate::Fails(kind) if kind.is_permanent() && *refused < 3 => *refused += 1,
                Fate::Fails(kind) if kind.is_permanent() => return Fate::Good,
                _ => *refused = 0,
            }
            fate
        });
        assert!(drive(&start(directory.path(), &store)).await);
        holds(directory.path(), &store, &lengths, &format!("seed {seed}"));
        once(&store, &format!("seed {seed}"));
    }
}

#[tokio::test(start_paused = true)]
async fn one_bad_log_holds_up_nobody_and_is_set_aside() {
    let lengths: Vec<u64> = (0..30).map(|number| number * 11).collect();
    let directory = left(&lengths);
    let store = MemoryStore::new(|_, _, key_asked| {
        if key_asked == key(7) {
            Fate::Fails(Kind::Refused)
        } else {
            Fate::Good
        }
    });
    let context = start(directory.path(), &store);
    // Further logs keep coming.
    for more in 100..140 {
        let log = directory.path().join(id(more));
        std::fs::write(log, content(more, 50)).unwrap();
        context.board.closed(&id(more), None, 0);
        if more > 120 {
            tokio::time::sleep(Duration::from_secs(20)).await;
        }
        let next = context.board.next().await;
        let (ended, history) = turn::take(&context, &next).await;
        context.board.ended(&next, ended, history);
    }
    assert!(drive(&context).await);
    assert_eq!(lock(&store.bucket).objects.len(), 29 + 40);
    assert_eq!(context.counters.quarantined.value(), 1);
    let aside = directory.path().join("quarantine");
    assert_eq!(std::fs::read(aside.join(id(7))).unwrap(), content(7, 77));
    let reason = std::fs::read_to_string(aside.join(format!("{}.reason", id(7)))).unwrap();
    assert!(reason.contains("PutObject"), "{reason}");

    let good = MemoryStore::good();
    let next = start(directory.path(), &good);
    assert_eq!(next.board.load().logs, 0, "it is not tried again by itself");
    assert_eq!(next.stage.bring_back().unwrap(), 1);
    next.find_left().unwrap();
    assert!(drive(&next).await);
    assert_eq!(lock(&good.bucket).objects[&key(7)].1, content(7, 77));
}

#[tokio::test(start_paused = true)]
async fn what_all_logs_suffer_from_sets_none_aside() {
    let directory = left(&[10, 250, 30]);
    let begun = Instant::now();
    let store = MemoryStore::new(move |_, _, _| {
        if begun.elapsed() < Duration::from_hours(9) {
            Fate::Fails(Kind::Denied)
        } else {
            Fate::Good
        }
    });
    let context = start(directory.path(), &store);
    assert!(drive(&context).await);
    assert_eq!(context.counters.quarantined.value(), 0);
    holds(directory.path(), &store, &[10, 250, 30], "denied for hours");
}
