//! Which methods each route has, for whoever asked with another one.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde_json::Value;

use super::{openapi, unbuilt};

/// The methods of a route, for people: `GET, POST`; nothing for one that is not
/// described.
pub fn of(route: &str) -> Option<&'static str> {
    static ALL: OnceLock<BTreeMap<String, String>> = OnceLock::new();
    ALL.get_or_init(all).get(route).map(String::as_str)
}

fn all() -> BTreeMap<String, String> {
    let document: Value = serde_json::from_str(&openapi::text()).unwrap_or_default();
    let described = document["paths"].as_object().into_iter().flatten();
    let mut all: BTreeMap<String, Vec<String>> = described
        .map(|(route, methods)| {
            let names = methods.as_object().into_iter().flatten();
            let names = names.map(|(name, _)| name.to_uppercase()).collect();
            (route.clone(), names)
        })
        .collect();
    for (route, methods, _) in unbuilt::all() {
        let names = all.entry((*route).to_owned()).or_default();
        names.extend(methods.split(' ').map(str::to_owned));
    }
    all.into_iter()
        .map(|(route, mut names)| {
            names.sort();
            names.dedup();
            (route, names.join(", "))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_and_unbuilt_routes_name_their_methods() {
        assert_eq!(of("/v3/agents"), Some("GET, POST"));
        assert_eq!(of("/v3/agents/{id}"), Some("DELETE, GET, PATCH"));
        assert_eq!(of("/v3/agents/import"), Some("POST"));
        assert_eq!(of("/nowhere"), None);
    }
}
