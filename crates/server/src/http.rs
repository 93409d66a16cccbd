//! The HTTP faces: a request becomes a command or a look at the store, and what
//! comes back is rendered. No rule about sessions lives here.
//!
//! All routes stand in one list, [`routes`]; one file per noun says what each
//! does. What every request gets is in `request`.

mod agent_url;
mod auth;
mod body;
mod canonical;
mod cors;
mod field;
mod hook_token;
mod json;
mod methods;
mod openapi;
mod ops;
pub(crate) mod problem;
mod query;
mod request;
mod sandboxes;
mod secrets;
mod serve;
mod shape;
mod unbuilt;
mod v1;
pub(crate) mod v3;
mod words;

use axum::Router;
use axum::extract::{MatchedPath, Request};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::get;
use utoipa_axum::router::OpenApiRouter;

pub use serve::serve;
pub(crate) use v3::event::json as event_json;

use crate::app::App;
use problem::{Code, Problem};

/// Every route there is, with its description.
fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(openapi::head())
        .merge(v3::agents::routes())
        .merge(v3::credentials::routes())
        .merge(v3::sessions::routes())
        .merge(v3::events::routes())
        .merge(v3::messages::routes())
        .merge(v3::turns::routes())
        .merge(v3::checkpoints::routes())
        .merge(v3::tokens::routes())
        .merge(v3::destinations::routes())
        .merge(v3::deliveries::routes())
        .merge(v3::report::routes())
        .merge(sandboxes::routes())
        .merge(v1::secrets::routes())
        .merge(agent_url::routes())
        .merge(ops::routes())
}

/// The whole face, ready to serve.
fn router(app: App) -> Router {
    let (built, _) = routes().split_for_parts();
    let routes = built
        .merge(unbuilt::routes())
        .route("/", get(ops::front))
        .fallback(unknown)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(app.clone(), request::every))
        // Outermost: a page must be able to read refusals too.
        .layer(from_fn(cors::open))
        .with_state(app.clone());
    if app.config.node.agent_domain.is_none() {
        return routes;
    }
    // Before any route is looked at.
    Router::new()
        .fallback_service(routes)
        .layer(from_fn_with_state(app, agent_url::by_host))
}

async fn unknown(request: Request) -> Problem {
    let (method, path) = (request.method(), request.uri().path());
    Problem::new(Code::NotFound, format!("there is no route {method} {path}"))
}

async fn wrong_method(request: Request) -> Problem {
    // The path is not repeated: there may be a token in it.
    let method = request.method();
    let route = request.extensions().get::<MatchedPath>();
    let allowed = route.and_then(|route| methods::of(route.as_str()));
    let words = format!("there is something at this path, but it has no method {method}");
    let words = match allowed {
        Some(allowed) => format!("{words}; it has {allowed}"),
        None => words,
    };
    Problem::new(Code::MethodNotAllowed, words)
}
