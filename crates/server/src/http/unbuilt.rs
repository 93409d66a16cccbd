//! Routes of the contract (v3 §5, and the older faces) that this build does not have yet. Each is
//! refused by name, after the key was checked: never a plain *not found*, and
//! never accepted and ignored. Whoever builds one takes its line away.

mod older;

use axum::Router;
use axum::extract::Request;
use axum::http::Method;
use axum::routing::{MethodFilter, MethodRouter, on};

use super::auth::{Org, Reads};
use super::problem::{Code, Problem};
use crate::app::App;

/// Who may ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asks {
    /// An org, by its key.
    Org,
    /// Also a client, by its token.
    Client,
    /// Anybody: the path itself is the secret, or there is none.
    Anybody,
}

use Asks::{Anybody, Client};

/// Path, methods, and who may ask if not just the org.
const UNBUILT: &[(&str, &str, Asks)] = &[
    ("/v3/agents/import", "POST", Asks::Org),
    ("/v3/agents/{id}/repository-access", "GET PUT", Asks::Org),
    ("/v3/agents/{id}/deployments", "POST GET", Asks::Org),
    ("/v3/agents/{id}/deployments/{sub}", "GET", Asks::Org),
    ("/v3/agents/{id}/deployments/{sub}/logs", "GET", Asks::Org),
    ("/v3/agents/{id}/deploys", "GET", Asks::Org),
    ("/v3/agents/{id}/revisions", "POST GET", Asks::Org),
    ("/v3/agents/{id}/revisions/{sub}", "GET", Asks::Org),
    (
        "/v3/agents/{id}/revisions/{sub}/activate",
        "POST",
        Asks::Org,
    ),
    ("/v3/agents/{id}/activations", "GET", Asks::Org),
    (
        "/v3/agents/{id}/deployment-source",
        "POST GET DELETE",
        Asks::Org,
    ),
    ("/v3/agents/{id}/slack/manifest", "POST", Asks::Org),
    ("/v3/agents/{id}/slack", "POST GET DELETE", Asks::Org),
    ("/v3/agents/{id}/slack/managed/authorize", "POST", Asks::Org),
    ("/v3/agents/{id}/slack/managed", "GET DELETE", Asks::Org),
    ("/v3/agents/{id}/config", "PUT", Asks::Org),
    ("/v3/agents/{id}/artifacts", "POST", Asks::Org),
    ("/v3/agents/{id}/source-artifacts", "POST", Asks::Org),
    ("/v3/sessions/{id}/sources", "GET", Asks::Org),
    ("/v3/sessions/{id}/watches", "POST GET", Asks::Org),
    ("/v3/sessions/{id}/watches/{sub}", "DELETE", Asks::Org),
    ("/v3/sessions/{id}/artifacts", "GET", Client),
    ("/v3/sessions/{id}/artifacts/{sub}/content", "GET", Client),
    ("/v3/repos", "POST GET", Asks::Org),
    ("/v3/repos/{id}", "GET PATCH", Asks::Org),
    ("/v3/github/apps", "GET POST", Asks::Org),
    ("/v3/github/apps/{id}", "PATCH DELETE", Asks::Org),
    ("/v3/github/apps/manifest", "POST", Asks::Org),
    ("/v3/github/apps/manifest/start", "GET", Anybody),
    ("/v3/github/apps/manifest/callback", "GET", Anybody),
    ("/v3/github/apps/manifest/conversions", "POST", Asks::Org),
    ("/v3/github/installations", "GET", Asks::Org),
    ("/v3/github/deploy-app", "GET", Asks::Org),
    ("/v3/github/deploy-app/inspect", "POST", Asks::Org),
    ("/v3/slack/managed/connections", "GET", Asks::Org),
    ("/v3/slack/events/{id}", "POST", Anybody),
];

/// Every line there is.
pub fn all() -> impl Iterator<Item = &'static (&'static str, &'static str, Asks)> {
    UNBUILT.iter().chain(older::OLDER)
}

/// The routes of this file.
pub fn routes() -> Router<App> {
    all().fold(Router::new(), |router, (path, methods, asks)| {
        router.route(
            path,
            methods.split(' ').fold(MethodRouter::new(), |route, name| {
                route.merge(refusal(name, *asks))
            }),
        )
    })
}

fn refusal(method: &str, asks: Asks) -> MethodRouter<App> {
    let filter = Method::from_bytes(method.as_bytes())
        .ok()
        .and_then(|method| MethodFilter::try_from(method).ok());
    let Some(filter) = filter else {
        return MethodRouter::new();
    };
    match asks {
        Asks::Org => on(filter, |_: Org, request: Request| async move {
            refuse(&request)
        }),
        Asks::Client => on(filter, |_: Reads, request: Request| async move {
            refuse(&request)
        }),
        Asks::Anybody => on(filter, |request: Request| async move { refuse(&request) }),
    }
}

fn refuse(request: &Request) -> Problem {
    let (method, path) = (request.method(), request.uri().path());
    Problem::new(
        Code::RouteNotSupported,
        format!("{method} {path} is not supported by this build yet"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_names_methods_there_are() {
        for (path, methods, _) in all() {
            for name in methods.split(' ') {
                let method = Method::from_bytes(name.as_bytes()).unwrap();
                assert!(MethodFilter::try_from(method).is_ok(), "{name} {path}");
            }
        }
    }

    #[test]
    fn the_lines_make_a_router() {
        // A conflict between two lines panics.
        let _ = routes();
    }
}
