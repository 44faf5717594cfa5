//! Terminal modes as they come with `pty-req` (RFC 4254, 8; IUTF8 of RFC 8160).

#[cfg(test)]
mod tests;

use rustix::termios::{
    ControlModes, InputModes, LocalModes, OutputModes, SpecialCodeIndex, Termios,
};

/// End of the list.
const TTY_OP_END: u8 = 0;
/// The first opcode whose argument is not known to be four bytes long: reading stops there.
const UNKNOWN_FROM: u8 = 160;
/// A special character that is switched off.
const NO_CHARACTER: u32 = 255;
/// What Linux takes for it.
const VDISABLE: u8 = 0;

/// Applies the encoded modes. What the system does not know is passed over, and reading stops
/// where the list ends, be it before its end mark.
pub(super) fn apply(encoded: &[u8], terminal: &mut Termios) {
    for (opcode, argument) in decode(encoded) {
        mode(opcode, argument, terminal);
    }
}

/// The opcodes and arguments of encoded modes, up to the first that is not known.
pub(in crate::backend) fn decode(encoded: &[u8]) -> impl Iterator<Item = (u8, u32)> {
    let mut rest = encoded;
    std::iter::from_fn(move || {
        let (opcode, after) = rest.split_first()?;
        if *opcode == TTY_OP_END || *opcode >= UNKNOWN_FROM {
            return None;
        }
        let (argument, after) = after.split_first_chunk::<4>()?;
        rest = after;
        Some((*opcode, u32::from_be_bytes(*argument)))
    })
}

fn mode(opcode: u8, argument: u32, terminal: &mut Termios) {
    let on = argument != 0;
    if let Some(index) = special_code(opcode) {
        let code = if argument == NO_CHARACTER {
            Some(VDISABLE)
        } else {
            u8::try_from(argument).ok()
        };
        if let Some(code) = code {
            terminal.special_codes[index] = code;
        }
    } else if let Some(flag) = input_mode(opcode) {
        terminal.input_modes.set(flag, on);
    } else if let Some(flag) = local_mode(opcode) {
        terminal.local_modes.set(flag, on);
    } else if let Some(flag) = output_mode(opcode) {
        terminal.output_modes.set(flag, on);
    } else {
        control_mode(opcode, argument, terminal);
    }
}

fn special_code(opcode: u8) -> Option<SpecialCodeIndex> {
    Some(match opcode {
        1 => SpecialCodeIndex::VINTR,
        2 => SpecialCodeIndex::VQUIT,
        3 => SpecialCodeIndex::VERASE,
        4 => SpecialCodeIndex::VKILL,
        5 => SpecialCodeIndex::VEOF,
        6 => SpecialCodeIndex::VEOL,
        7 => SpecialCodeIndex::VEOL2,
        8 => SpecialCodeIndex::VSTART,
        9 => SpecialCodeIndex::VSTOP,
        10 => SpecialCodeIndex::VSUSP,
        // 11 VDSUSP, 15 VFLUSH and 17 VSTATUS: not on Linux.
        12 => SpecialCodeIndex::VREPRINT,
        13 => SpecialCodeIndex::VWERASE,
        14 => SpecialCodeIndex::VLNEXT,
        16 => SpecialCodeIndex::VSWTC,
        18 => SpecialCodeIndex::VDISCARD,
        _ => return None,
    })
}

fn input_mode(opcode: u8) -> Option<InputModes> {
    Some(match opcode {
        30 => InputModes::IGNPAR,
        31 => InputModes::PARMRK,
        32 => InputModes::INPCK,
        33 => InputModes::ISTRIP,
        34 => InputModes::INLCR,
        35 => InputModes::IGNCR,
        36 => InputModes::ICRNL,
        37 => InputModes::IUCLC,
        38 => InputModes::IXON,
        39 => InputModes::IXANY,
        40 => InputModes::IXOFF,
        41 => InputModes::IMAXBEL,
        42 => InputModes::IUTF8,
        _ => return None,
    })
}

fn local_mode(opcode: u8) -> Option<LocalModes> {
    Some(match opcode {
        50 => LocalModes::ISIG,
        51 => LocalModes::ICANON,
        52 => LocalModes::XCASE,
        53 => LocalModes::ECHO,
        54 => LocalModes::ECHOE,
        55 => LocalModes::ECHOK,
        56 => LocalModes::ECHONL,
        57 => LocalModes::NOFLSH,
        58 => LocalModes::TOSTOP,
        59 => LocalModes::IEXTEN,
        60 => LocalModes::ECHOCTL,
        61 => LocalModes::ECHOKE,
        62 => LocalModes::PENDIN,
        _ => return None,
    })
}

fn output_mode(opcode: u8) -> Option<OutputModes> {
    Some(match opcode {
        70 => OutputModes::OPOST,
        71 => OutputModes::OLCUC,
        72 => OutputModes::ONLCR,
        73 => OutputModes::OCRNL,
        74 => OutputModes::ONOCR,
        75 => OutputModes::ONLRET,
        _ => return None,
    })
}

fn control_mode(opcode: u8, argument: u32, terminal: &mut Termios) {
    let on = argument != 0;
    let modes = &mut terminal.control_modes;
    match opcode {
        // Clients send both where there are 8 bits, CS7 first; a size that is off says nothing.
        90 if on => *modes = modes.difference(ControlModes::CSIZE) | ControlModes::CS7,
        91 if on => *modes = modes.difference(ControlModes::CSIZE) | ControlModes::CS8,
        92 => modes.set(ControlModes::PARENB, on),
        93 => modes.set(ControlModes::PARODD, on),
        // Speed 0 hangs up; a speed the system refuses leaves the one that is.
        128 if on => _ = terminal.set_input_speed(argument),
        129 if on => _ = terminal.set_output_speed(argument),
        _ => {}
    }
}
