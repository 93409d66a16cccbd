//! The face of the agents' own addresses (contract v3 §17): `POST` to it begins a
//! session with any JSON, for the org with its key, or for whoever knows a hook's
//! token; `GET` says how. Nothing else of the server is to be had there.
//!
//! An address is a path of the server, and a host name too where the operator has a
//! domain for that. Both come to the same routes: what is asked of the host name is
//! asked of the path.

pub mod address;
mod ask;
mod flood;
mod hook;
mod host;
mod invoke;
mod once;
mod page;

use std::sync::Arc;

use axum::Extension;
use axum::extract::Request;
use axum::http::Uri;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::problem::{Code, Problem};
use crate::app::App;
use flood::Floods;
pub use host::by_host;

/// The routes of this face.
pub fn routes() -> OpenApiRouter<App> {
    use axum::routing::any;
    OpenApiRouter::default()
        .routes(routes!(page::show, invoke::invoke))
        .routes(routes!(hook::call))
        // Clients put a slash behind the address.
        .route(
            "/agents/{agent}/",
            axum::routing::get(page::show).post(invoke::invoke),
        )
        .route("/agents/{agent}/{*rest}", any(elsewhere))
        .layer(Extension(Arc::new(Floods::default())))
}

/// What is nowhere at an agent's address. The path is not repeated: there may be a
/// token in it.
async fn elsewhere(_: Request) -> Problem {
    nothing_here()
}

/// Whether the path is written plainly: other ways to write it lead nowhere.
fn exact(uri: &Uri) -> bool {
    !uri.path().contains('%')
}

fn nothing_here() -> Problem {
    Problem::new(
        Code::NotFound,
        "an agent's address takes `POST /` with an API key, `POST /hooks/<token>`, and `GET /`; nothing else is here",
    )
}
