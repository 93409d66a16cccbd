//! The sandbox face (contract sandbox.md): camelCase, bare arrays. Of it, secret
//! stores are built.

mod secrets;
mod stores;

use utoipa_axum::router::OpenApiRouter;

use crate::app::App;

/// The routes of this face.
pub fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::default()
        .merge(stores::routes())
        .merge(secrets::routes())
}
