//! A certificate authority that sandboxes trust besides those the host trusts.
//!
//! It is told by every way programs have: the system's bundle, a file of its own,
//! and the variables of those that bring a bundle along.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::template::Item;

/// Where the host's own are, one file with all.
const BUNDLES: [&str; 4] = [
    "etc/ssl/certs/ca-certificates.crt",
    "etc/pki/tls/certs/ca-bundle.crt",
    "etc/ssl/ca-bundle.pem",
    "etc/ssl/cert.pem",
];
/// Whatever the host calls it, programs inside find all here.
const BUNDLE: &str = "/etc/ssl/certs/ca-certificates.crt";
/// The added one alone.
const ADDED: &str = "/etc/ssl/certs/oc-gate.pem";
/// What names a file that takes the place of a program's own bundle.
const NAMED: [&str; 6] = [
    "SSL_CERT_FILE",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "GIT_SSL_CAINFO",
    "PIP_CERT",
    "CARGO_HTTP_CAINFO",
];

/// Variables for programs that do not look at the system's bundle.
pub(super) fn variables() -> Vec<(String, String)> {
    let named = NAMED.map(|name| (name, BUNDLE));
    // This one adds to what the program has.
    let added = [("NODE_EXTRA_CA_CERTS", ADDED)];
    let all = named.into_iter().chain(added);
    all.map(|(name, file)| (name.to_owned(), file.to_owned()))
        .collect()
}

/// Puts the authority, as PEM, into a template of these files.
pub(super) fn add(items: &mut BTreeMap<PathBuf, Item>, pem: &str) {
    let inside = |path: &str| PathBuf::from(path.trim_start_matches('/'));
    let mut all = authorities(items);
    if !all.is_empty() && !all.ends_with(b"\n") {
        all.push(b'\n');
    }
    all.extend_from_slice(pem.as_bytes());
    for folder in ["etc/ssl", "etc/ssl/certs"] {
        // A link could lead anywhere once something is written below it.
        if !matches!(items.get(Path::new(folder)), Some(Item::Folder(_))) {
            items.insert(folder.into(), Item::Folder(0o755));
        }
    }
    for bundle in BUNDLES {
        if items.contains_key(Path::new(bundle)) {
            items.insert(bundle.into(), Item::Link(BUNDLE.into()));
        }
    }
    items.insert(inside(BUNDLE), Item::File(all));
    items.insert(inside(ADDED), Item::File(pem.as_bytes().to_vec()));
}

/// Those of the host: as the template has them, else wherever its links lead.
fn authorities(items: &BTreeMap<PathBuf, Item>) -> Vec<u8> {
    let taken = BUNDLES
        .iter()
        .find_map(|bundle| match items.get(Path::new(bundle)) {
            Some(Item::File(bytes)) => Some(bytes.clone()),
            _ => None,
        });
    let read = || {
        let mut found = BUNDLES
            .iter()
            .map(|bundle| fs::read(Path::new("/").join(bundle)));
        found.find_map(Result::ok)
    };
    taken.or_else(read).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use super::*;

    const PEM: &str = "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n";

    fn file<'a>(items: &'a BTreeMap<PathBuf, Item>, path: &str) -> &'a [u8] {
        match items.get(Path::new(path)) {
            Some(Item::File(bytes)) => bytes,
            other => panic!("{path}: {other:?}"),
        }
    }

    #[test]
    fn it_comes_after_the_hosts_own_and_has_a_line_to_itself() {
        let mut items = BTreeMap::from([
            ("etc/ssl".into(), Item::Folder(0o755)),
            ("etc/ssl/certs".into(), Item::Folder(0o755)),
            (
                "etc/ssl/certs/ca-certificates.crt".into(),
                Item::File(b"first".to_vec()),
            ),
        ]);
        add(&mut items, PEM);
        let all = file(&items, "etc/ssl/certs/ca-certificates.crt");
        assert_eq!(all, format!("first\n{PEM}").as_bytes());
        assert_eq!(file(&items, "etc/ssl/certs/oc-gate.pem"), PEM.as_bytes());
    }

    #[test]
    fn where_the_folder_of_certificates_is_a_link_nothing_is_written_through_it() {
        let mut items = BTreeMap::from([
            (
                "etc/pki/tls/certs/ca-bundle.crt".into(),
                Item::File(b"theirs\n".to_vec()),
            ),
            ("etc/ssl".into(), Item::Folder(0o755)),
            (
                "etc/ssl/certs".into(),
                Item::Link("/etc/pki/tls/certs".into()),
            ),
            (
                "etc/ssl/cert.pem".into(),
                Item::Link("/etc/pki/tls/cert.pem".into()),
            ),
        ]);
        add(&mut items, PEM);
        assert!(matches!(
            items.get(Path::new("etc/ssl/certs")),
            Some(Item::Folder(_))
        ));
        let all = file(&items, "etc/ssl/certs/ca-certificates.crt");
        assert_eq!(all, format!("theirs\n{PEM}").as_bytes());
        for bundle in ["etc/ssl/cert.pem", "etc/pki/tls/certs/ca-bundle.crt"] {
            let link = items.get(Path::new(bundle));
            assert!(matches!(link, Some(Item::Link(to)) if to == Path::new(BUNDLE)));
        }
    }
}
