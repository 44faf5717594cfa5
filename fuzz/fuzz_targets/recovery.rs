#![no_main]

use auditssh_fuzz::Case;

libfuzzer_sys::fuzz_target!(|case: Case| auditssh_fuzz::recovery(&case));
