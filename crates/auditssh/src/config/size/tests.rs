use super::*;
use proptest::prelude::*;

#[test]
fn sizes_are_read() {
    for (text, expected) in [
        ("0", Some(0)),
        ("512", Some(512)),
        ("512B", Some(512)),
        ("64 KiB", Some(65_536)),
        ("8MiB", Some(8_388_608)),
        ("2GiB", Some(2_147_483_648)),
        ("", None),
        ("MiB", None),
        ("8MB", None),
        ("8mib", None),
        ("-1", None),
        ("1.5MiB", None),
        ("99999999999999999999GiB", None),
        ("18446744073709551615KiB", None),
    ] {
        assert_eq!(Size::parse(text).map(usize::from), expected, "{text}");
    }
}

proptest! {
    #[test]
    fn what_is_printed_reads_back(bytes: usize) {
        let size = Size::bytes(bytes);
        prop_assert_eq!(Size::parse(&size.to_string()), Some(size));
    }
}
