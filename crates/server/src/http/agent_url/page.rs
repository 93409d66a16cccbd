//! `GET /`: how the address is used, for whoever finds it. It is made of the address
//! alone: whether there is such an agent, and what it is, nobody learns here.

use axum::extract::State;
use axum::http::Uri;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use super::{address, ask, exact, nothing_here};
use crate::app::App;
use crate::http::problem::{ErrorEnvelope, Problem};
use crate::http::query::At;

const PAGE: &str = include_str!("page.html");
const SCRIPT: &str = include_str!("page.js");

/// Show how the agent's own address is used
#[utoipa::path(get, path = "/agents/{agent}", operation_id = "show_agent_url", tag = "Agent URLs",
    security(()),
    params(("agent" = String, Path, description = "Agent, as in its `invoke_url`: `agt-` and 24 hex digits")),
    responses((status = 200, description = "A page; the same whether or not there is such an agent", content_type = "text/html"),
        (status = "default", description = "A problem", body = ErrorEnvelope)))]
pub(super) async fn show(
    State(app): State<App>,
    At([label]): At<1>,
    uri: Uri,
) -> Result<Response, Problem> {
    let agent = address::agent(&label).filter(|_| exact(&uri));
    let agent = agent.ok_or_else(nothing_here)?;
    ask::plain(&uri)?;
    let headers = [
        (CONTENT_TYPE, "text/html; charset=utf-8".to_owned()),
        (CONTENT_SECURITY_POLICY, policy()),
        (CACHE_CONTROL, "public, max-age=300".to_owned()),
        (REFERRER_POLICY, "no-referrer".to_owned()),
    ];
    let page = page(&address::of(&app.config, &agent));
    Ok((headers, page).into_response())
}

fn page(address: &str) -> String {
    PAGE.replace("{{address}}", &escaped(address))
        .replace("{{script}}", SCRIPT)
}

/// The page loads nothing, and runs its own script alone.
fn policy() -> String {
    let script = STANDARD.encode(Sha256::digest(SCRIPT));
    format!(
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{script}'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_shows_the_address_and_loads_nothing() {
        let page = page("https://agt-1.a.test");
        assert!(page.contains("curl 'https://agt-1.a.test/'"), "{page}");
        assert!(!page.contains("{{"), "{page}");
        for loads in ["src=", "href=", "@import", "url("] {
            assert!(!page.contains(loads), "{loads}");
        }
        assert!(page.contains(&format!("<script>{SCRIPT}</script>")));
    }

    #[test]
    fn an_address_cannot_become_a_part_of_the_page() {
        let page = page("https://x/'\"><script>alert(1)</script>&");
        assert!(!page.contains("<script>alert"), "{page}");
    }
}
