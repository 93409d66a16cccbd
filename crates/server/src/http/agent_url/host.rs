//! What is asked of an agent's host name is asked of its path: so nothing of the
//! server but this face can be reached by such a name.

use axum::extract::{Request, State};
use axum::http::header::HOST;
use axum::http::{HeaderMap, Uri};
use axum::middleware::Next;
use axum::response::Response;

use super::address::label_in;
use crate::app::App;

/// Who is asked by two names at once is nobody.
const NOBODY: &str = "-";

/// Turns a request by an agent's host name into one by its path. Must stand before
/// the routes are looked at.
pub async fn by_host(State(app): State<App>, mut request: Request, next: Next) -> Response {
    if let Some(domain) = &app.config.node.agent_domain
        && let Some(label) = asked(request.uri(), request.headers(), domain)
        && let Some(uri) = below(request.uri(), &label)
    {
        *request.uri_mut() = uri;
    }
    next.run(request).await
}

/// The agent's label in the name that the request is for.
fn asked(uri: &Uri, headers: &HeaderMap, domain: &str) -> Option<String> {
    // A target in absolute form counts, and the header then does not.
    if let Some(authority) = uri.authority() {
        return label_in(authority.as_str(), domain);
    }
    let label = |value: &axum::http::HeaderValue| label_in(value.to_str().ok()?, domain);
    let labels: Vec<_> = headers.get_all(HOST).iter().map(label).collect();
    match labels.as_slice() {
        [] => None,
        [one] => one.clone(),
        // Another reader, such as a proxy, may have taken the other one.
        several if several.iter().any(Option::is_some) => Some(NOBODY.to_owned()),
        _ => None,
    }
}

/// The target below the agent's path, whatever it is: routes decide on it.
fn below(uri: &Uri, label: &str) -> Option<Uri> {
    let path = uri.path();
    let query = uri.query().map(|query| format!("?{query}"));
    let query = query.unwrap_or_default();
    format!("/agents/{label}{path}{query}").parse().ok()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn label(uri: &str, hosts: &[&'static str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(HOST, HeaderValue::from_static(host));
        }
        asked(&uri.parse().unwrap(), &headers, "a.test")
    }

    #[test]
    fn the_target_s_own_name_wins_and_two_names_are_nobody() {
        for (uri, hosts, want) in [
            ("/", vec!["agt-1.a.test"], Some("agt-1")),
            ("/", vec!["oc.test"], None),
            ("/", vec![], None),
            ("http://agt-1.a.test/", vec!["oc.test"], Some("agt-1")),
            ("http://oc.test/", vec!["agt-1.a.test"], None),
            ("/", vec!["oc.test", "agt-1.a.test"], Some(NOBODY)),
            ("/", vec!["agt-1.a.test", "agt-2.a.test"], Some(NOBODY)),
            ("/", vec!["oc.test", "oc.test"], None),
        ] {
            assert_eq!(label(uri, &hosts).as_deref(), want, "{uri} {hosts:?}");
        }
    }

    #[test]
    fn whatever_is_asked_stands_below_the_agent_s_path() {
        for (uri, want) in [
            ("/", "/agents/agt-1/"),
            ("/v3/agents?x=1", "/agents/agt-1/v3/agents?x=1"),
            ("//hooks/x", "/agents/agt-1//hooks/x"),
            ("/../v3", "/agents/agt-1/../v3"),
            ("/?", "/agents/agt-1/?"),
            ("http://x.test/hooks/y", "/agents/agt-1/hooks/y"),
        ] {
            let got = below(&uri.parse().unwrap(), "agt-1").unwrap();
            assert_eq!(got.to_string(), want);
            assert_eq!(got.authority(), None);
        }
    }
}
