//! Addresses a key may be used from: `from="..."` of authorized_keys and the critical option
//! `source-address` of certificates.

#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Most patterns that one list may hold.
const PATTERNS: usize = 256;

/// A list of patterns: at least one must match, and none of those marked with `!`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sources(Vec<Pattern>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Pattern {
    negated: bool,
    form: Form,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
    /// Leading bits of an address.
    Network(IpAddr, u8),
    /// The address as text, with `*` and `?`.
    Wildcard(String),
}

impl Sources {
    /// `from="..."`: addresses, networks and wildcards, separated by commas, `!` in front of
    /// what is excluded. Host names are refused, since names are not looked up.
    pub(super) fn patterns(list: &str) -> Result<Self, String> {
        Self::parse(list, |text| match text.strip_prefix('!') {
            Some(rest) => Ok(Pattern {
                negated: true,
                form: form(rest)?,
            }),
            None => Ok(Pattern {
                negated: false,
                form: form(text)?,
            }),
        })
    }

    /// `source-address` of a certificate: addresses and networks only.
    pub(crate) fn networks(list: &str) -> Result<Self, String> {
        Self::parse(list, |text| {
            Ok(Pattern {
                negated: false,
                form: network(text)?.ok_or_else(|| not_an_address(text))?,
            })
        })
    }

    fn parse(list: &str, one: impl Fn(&str) -> Result<Pattern, String>) -> Result<Self, String> {
        let patterns: Vec<_> = list.split(',').map(one).collect::<Result<_, _>>()?;
        if patterns.len() > PATTERNS {
            return Err(format!("more than {PATTERNS} patterns"));
        }
        Ok(Self(patterns))
    }

    /// Whether the address may be used.
    pub(crate) fn allow(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        let matches = |negated| {
            self.0
                .iter()
                .any(|pattern| pattern.negated == negated && pattern.form.matches(address))
        };
        matches(false) && !matches(true)
    }
}

impl Form {
    fn matches(&self, address: IpAddr) -> bool {
        match self {
            Self::Network(base, bits) => in_network(address, *base, *bits),
            Self::Wildcard(pattern) => glob(pattern.as_bytes(), address.to_string().as_bytes()),
        }
    }
}

fn form(text: &str) -> Result<Form, String> {
    if let Some(network) = network(text)? {
        return Ok(network);
    }
    let of_an_address = |c: char| c.is_ascii_hexdigit() || ".:*?".contains(c);
    if text.contains(['*', '?']) && text.chars().all(of_an_address) {
        return Ok(Form::Wildcard(text.to_ascii_lowercase()));
    }
    Err(not_an_address(text))
}

/// An address, or a network of which all bits past the prefix are zero; `None` if it is neither.
fn network(text: &str) -> Result<Option<Form>, String> {
    let (base, bits) = match text.split_once('/') {
        Some((base, bits)) => (base, Some(bits)),
        None => (text, None),
    };
    let Ok(base) = base.parse::<IpAddr>() else {
        return Ok(None);
    };
    let width: u8 = if base.is_ipv4() { 32 } else { 128 };
    let bits = match bits {
        None => width,
        Some(bits) => bits
            .parse()
            .ok()
            .filter(|bits| *bits <= width)
            .ok_or_else(|| format!("`{text}` is not a network: /0 to /{width} are"))?,
    };
    if !is_base(base, bits) {
        return Err(format!(
            "`{text}` is not a network: the address has bits set past the prefix"
        ));
    }
    Ok(Some(Form::Network(base, bits)))
}

fn not_an_address(text: &str) -> String {
    format!(
        "`{}` is neither an address nor a network (host names are not looked up; give addresses)",
        text.escape_debug()
    )
}

fn in_network(address: IpAddr, base: IpAddr, bits: u8) -> bool {
    match (address, base) {
        (IpAddr::V4(address), IpAddr::V4(base)) => head4(address, bits) == base.to_bits(),
        (IpAddr::V6(address), IpAddr::V6(base)) => head6(address, bits) == base.to_bits(),
        // The canonical form of an address is IPv4 where it can be.
        (IpAddr::V4(address), IpAddr::V6(base)) => {
            head6(address.to_ipv6_mapped(), bits) == base.to_bits() && bits >= 96
        }
        (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}

fn is_base(base: IpAddr, bits: u8) -> bool {
    match base {
        IpAddr::V4(base) => head4(base, bits) == base.to_bits(),
        IpAddr::V6(base) => head6(base, bits) == base.to_bits(),
    }
}

fn head4(address: Ipv4Addr, bits: u8) -> u32 {
    let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
    address.to_bits() & mask
}

fn head6(address: Ipv6Addr, bits: u8) -> u128 {
    let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
    address.to_bits() & mask
}

/// `*` for any run of bytes, `?` for one; in time linear in the product of the lengths.
pub(crate) fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut pattern, mut text) = (pattern, text);
    let mut retry: Option<(&[u8], &[u8])> = None;
    loop {
        match (pattern.split_first(), text.split_first()) {
            (Some((b'*', rest)), _) => {
                retry = Some((rest, text));
                pattern = rest;
            }
            (Some((p, after_p)), Some((t, after_t))) if *p == b'?' || p == t => {
                (pattern, text) = (after_p, after_t);
            }
            (None, None) => return true,
            _ => match retry {
                Some((rest, [_, shorter @ ..])) => {
                    retry = Some((rest, shorter));
                    (pattern, text) = (rest, shorter);
                }
                _ => return false,
            },
        }
    }
}
