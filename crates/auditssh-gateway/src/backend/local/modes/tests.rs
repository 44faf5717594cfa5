use super::{apply, decode};
use proptest::prelude::*;
use rustix::pty::{OpenptFlags, openpt};
use rustix::termios::{
    ControlModes, InputModes, LocalModes, OptionalActions, OutputModes, SpecialCodeIndex, Termios,
    tcgetattr, tcsetattr,
};

fn fresh() -> Termios {
    tcgetattr(openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap()).unwrap()
}

fn applied(modes: &[(u8, u32)]) -> Termios {
    let mut encoded = Vec::new();
    for (opcode, argument) in modes {
        encoded.push(*opcode);
        encoded.extend(argument.to_be_bytes());
    }
    encoded.push(0);
    let mut terminal = fresh();
    apply(&encoded, &mut terminal);
    terminal
}

#[test]
fn each_flag_is_set_and_cleared() {
    for opcode in (30..=42).chain(50..=62).chain(70..=75).chain(92..=93) {
        let (on, off) = (applied(&[(opcode, 1)]), applied(&[(opcode, 0)]));
        let differences = [
            (on.input_modes ^ off.input_modes).bits(),
            (on.output_modes ^ off.output_modes).bits(),
            (on.local_modes ^ off.local_modes).bits(),
            (on.control_modes ^ off.control_modes).bits(),
        ];
        let bits: u32 = differences.iter().map(|bits| bits.count_ones()).sum();
        assert_eq!(bits, 1, "opcode {opcode}");
    }
}

#[test]
fn flags_are_the_right_ones() {
    let on = applied(&[(42, 1), (53, 1), (72, 1), (92, 1)]);
    assert!(on.input_modes.contains(InputModes::IUTF8));
    assert!(on.local_modes.contains(LocalModes::ECHO));
    assert!(on.output_modes.contains(OutputModes::ONLCR));
    assert!(on.control_modes.contains(ControlModes::PARENB));
}

#[test]
fn characters_are_set_and_switched_off() {
    let set = applied(&[(1, 7), (3, 255), (10, 300)]);
    assert_eq!(set.special_codes[SpecialCodeIndex::VINTR], 7);
    assert_eq!(set.special_codes[SpecialCodeIndex::VERASE], 0);
    let before = fresh().special_codes[SpecialCodeIndex::VSUSP];
    assert_eq!(set.special_codes[SpecialCodeIndex::VSUSP], before);
}

#[test]
fn sizes_of_characters_follow_what_clients_send() {
    let size = |modes| applied(modes).control_modes & ControlModes::CSIZE;
    assert_eq!(size(&[(90, 1), (91, 1)]), ControlModes::CS8);
    assert_eq!(size(&[(90, 1), (91, 0)]), ControlModes::CS7);
    assert_eq!(
        size(&[(90, 0), (91, 0)]),
        fresh().control_modes & ControlModes::CSIZE
    );
}

#[test]
fn both_speeds_reach_the_terminal() {
    let pty = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    for (input, output) in [(9600, 38400), (115_200, 115_200), (12345, 54321)] {
        tcsetattr(
            &pty,
            OptionalActions::Now,
            &applied(&[(128, input), (129, output)]),
        )
        .unwrap();
        let there = tcgetattr(&pty).unwrap();
        assert_eq!((there.input_speed(), there.output_speed()), (input, output));
    }
}

#[test]
fn reading_stops_at_what_is_not_defined() {
    let encoded = [53, 0, 0, 0, 1, 160, 0, 0, 0, 1, 54, 0, 0, 0, 1];
    assert_eq!(decode(&encoded).collect::<Vec<_>>(), [(53, 1)]);
    assert_eq!(
        decode(&[53, 0, 0, 0, 1, 54, 0]).collect::<Vec<_>>(),
        [(53, 1)]
    );
}

proptest! {
    #[test]
    fn anything_can_be_applied(encoded in proptest::collection::vec(any::<u8>(), 0..200)) {
        let pty = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        let mut terminal = tcgetattr(&pty).unwrap();
        apply(&encoded, &mut terminal);
        tcsetattr(&pty, OptionalActions::Now, &terminal).unwrap();
    }
}
