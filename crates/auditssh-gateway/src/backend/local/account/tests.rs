use super::{AccountError, check_shadow, no_nologin};
use std::io::Write as _;
use std::path::Path;

const SHADOW: &str = "root:*:20000:0:99999:7:::\n\
     expired:$y$j9T$abc:20000:0:99999:7::11322:\n\
     locked:!$y$j9T$abc:20000:0:99999:7:::\n\
     fresh:!:20000:0:99999:7:::\n\
     freshred:!!:20000::::::\n\
     short:x\n";

#[test]
fn an_account_ends_after_its_last_day() {
    assert_eq!(check_shadow("expired", SHADOW, 11322), Ok(()));
    let expired = Err(AccountError::Expired("expired".to_owned()));
    assert_eq!(check_shadow("expired", SHADOW, 11323), expired);
}

#[test]
fn only_a_password_that_is_there_can_be_locked() {
    let locked = Err(AccountError::Locked("locked".to_owned()));
    assert_eq!(check_shadow("locked", SHADOW, 0), locked);
    for name in ["root", "fresh", "freshred", "short", "unknown", "lock", ""] {
        assert_eq!(check_shadow(name, SHADOW, 0), Ok(()), "{name}");
    }
}

#[test]
fn the_text_of_nologin_is_passed_on() {
    assert_eq!(no_nologin(Path::new("/nonexistent/nologin")), Ok(()));
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let empty = no_nologin(file.path()).unwrap_err().to_string();
    assert!(empty.contains("/etc/nologin"), "{empty}");
    writeln!(file, "back at noon").unwrap();
    let text = no_nologin(file.path()).unwrap_err().to_string();
    assert_eq!(text, "back at noon");
    // It is there and can't be read.
    assert!(no_nologin(Path::new("/")).is_err());
}
