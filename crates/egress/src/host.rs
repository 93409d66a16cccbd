//! Names of hosts as grants and allowlists write them. Pure: a pattern and a
//! name in, a yes or no out.
//!
//! A name has one spelling here (ASCII, lower case, no final dot), so that two
//! ways to write a host cannot be judged differently.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// RFC 1035: a name is at most 253 characters as text.
const LONGEST: usize = 253;

/// Which hosts are meant: `api.example.com` that host alone, `*.example.com`
/// every host below `example.com` (at any depth, not `example.com` itself), an
/// IP address that address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// One host.
    Exact(String),
    /// Every host below this one.
    Below(String),
}

/// A text that is no host pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no host: write a name (api.example.com), a wildcard (*.example.com) or an address"
)]
pub struct NoPattern(String);

impl HostPattern {
    /// Whether `host`, in whatever spelling, is meant.
    pub fn matches(&self, host: &str) -> bool {
        let Some(host) = plain(host) else {
            return false;
        };
        match self {
            HostPattern::Exact(own) => *own == host,
            HostPattern::Below(parent) => {
                // An address has no hosts below it.
                host.parse::<IpAddr>().is_err()
                    && host
                        .strip_suffix(parent.as_str())
                        .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
            }
        }
    }
}

impl FromStr for HostPattern {
    type Err = NoPattern;

    fn from_str(text: &str) -> Result<HostPattern, NoPattern> {
        let wrong = || NoPattern(text.chars().take(80).collect());
        let trimmed = text.trim();
        match trimmed.strip_prefix("*.") {
            Some(parent) => {
                let parent = plain(parent).ok_or_else(wrong)?;
                let is_name = parent.parse::<IpAddr>().is_err();
                is_name
                    .then_some(HostPattern::Below(parent))
                    .ok_or_else(wrong)
            }
            None => plain(trimmed).map(HostPattern::Exact).ok_or_else(wrong),
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HostPattern::Exact(host) => out.write_str(host),
            HostPattern::Below(parent) => write!(out, "*.{parent}"),
        }
    }
}

/// The one spelling of a host: an address in its plainest form, a name as
/// ASCII in lower case without its final dot. `None`: not a host.
pub(crate) fn plain(host: &str) -> Option<String> {
    let bare = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host);
    if let Ok(address) = bare.parse::<IpAddr>() {
        return Some(address.to_canonical().to_string());
    }
    let bare = host.strip_suffix('.').unwrap_or(host);
    let name = if bare.is_ascii() {
        bare.to_ascii_lowercase()
    } else {
        idna::domain_to_ascii(bare).ok()?
    };
    is_host_name(&name).then_some(name)
}

/// Letters, digits, hyphens and (for the sake of service names) underscores,
/// in labels of at most 63.
pub(crate) fn is_host_name(name: &str) -> bool {
    let bare = name.strip_suffix('.').unwrap_or(name);
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    bare.len() <= LONGEST && bare.split('.').all(label)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_pattern_means_these_hosts_and_no_others() {
        let table = [
            ("api.example.com", "api.example.com", true),
            ("api.example.com", "API.Example.COM.", true),
            ("API.example.com.", "api.example.com", true),
            ("api.example.com", "api.example.com.evil.com", false),
            ("api.example.com", "xapi.example.com", false),
            ("api.example.com", "example.com", false),
            ("*.example.com", "api.example.com", true),
            ("*.example.com", "a.b.example.com", true),
            ("*.example.com", "example.com", false),
            ("*.example.com", ".example.com", false),
            ("*.example.com", "evilexample.com", false),
            ("*.example.com", "api.example.com.evil.com", false),
            ("bücher.example", "xn--bcher-kva.example", true),
            ("BÜCHER.example", "bücher.example", true),
            ("192.0.2.7", "192.0.2.7", true),
            ("192.0.2.7", "::ffff:192.0.2.7", true),
            ("2001:db8::7", "[2001:DB8:0::7]", true),
            ("*.2.7", "192.0.2.7", false),
        ];
        for (pattern, host, expected) in table {
            let parsed: HostPattern = pattern.parse().unwrap();
            assert_eq!(parsed.matches(host), expected, "{pattern} {host}");
        }
    }

    #[test]
    fn what_is_no_host_is_no_pattern() {
        for text in [
            "",
            "*",
            "*.",
            "a..b",
            "https://example.com",
            "example.com:443",
            "exa mple.com",
            "a.*.example.com",
            "*example.com",
            "*.192.0.2.7",
            "a/b",
            "a\0b",
        ] {
            assert!(text.parse::<HostPattern>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_pattern_is_written_as_it_is_read() {
        for text in ["api.example.com", "*.example.com", "192.0.2.7"] {
            assert_eq!(text.parse::<HostPattern>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn only_host_names_are_host_names() {
        let long = "a".repeat(64);
        let deep = "a.".repeat(128);
        let table = [
            ("example.com", true),
            ("example.com.", true),
            ("xn--bcher-kva.example", true),
            ("_acme.example.com", true),
            ("localhost", true),
            ("", false),
            (".", false),
            ("a..b", false),
            ("a b", false),
            ("a/b", false),
            ("a\0b", false),
            ("bücher.example", false),
            ("[::1]", false),
            (&long, false),
            (&deep, false),
        ];
        for (name, expected) in table {
            assert_eq!(is_host_name(name), expected, "{name:?}");
        }
    }
}
