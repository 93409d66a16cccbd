//! The page of `/metrics`: counts as they are, and the parts' states of this
//! moment. It is made anew for every look, so nothing stale can stand on it.

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::Metrics;
use super::labels::Named;
use crate::app::App;

/// The page.
///
/// # Errors
/// If the store cannot be asked.
pub async fn page(app: &App) -> Result<String, store::Error> {
    let mut registry = registry(&app.metrics);
    let stats = app.store.stats().await?;
    states(
        &mut registry,
        "sessions",
        "Sessions by status.",
        stats.sessions,
    );
    let store = [
        ("due", "Sessions that somebody should drive.", stats.due),
        ("queued", "Writes that wait for the database.", stats.queued),
        ("commits", "Commits since the start.", stats.commits),
        (
            "writes",
            "Writes in those commits; divided by the commits, the group size.",
            stats.writes,
        ),
        (
            "followed",
            "Sessions that somebody follows here.",
            stats.followed,
        ),
    ];
    for (name, help, value) in store {
        gauge(&mut registry, &format!("store_{name}"), help, value);
    }
    let gate = app.gate.stats();
    let refused = gate
        .refused
        .iter()
        .map(|(reason, count)| (format!("{reason:?}").to_lowercase(), *count));
    states(
        &mut registry,
        "gate_refused",
        "Connections refused by reason.",
        refused,
    );
    let gate = [
        ("allowed", "Connections made.", gate.allowed),
        (
            "unreachable",
            "Connections and names that could not be reached.",
            gate.unreachable,
        ),
        (
            "timed_out",
            "Connections and names that took too long.",
            gate.timed_out,
        ),
        ("open", "Connections open now.", gate.open),
        ("bytes_in", "Bytes that came from servers.", gate.bytes_in),
        ("bytes_out", "Bytes sent to servers.", gate.bytes_out),
    ];
    for (name, help, value) in gate {
        gauge(&mut registry, &format!("gate_{name}"), help, value);
    }
    let hands = app.hands.stats();
    let sandboxes = [
        ("owned", hands.alive.saturating_sub(hands.warm) as u64),
        ("warm", hands.warm as u64),
        ("starting", hands.starting as u64),
    ];
    let sandboxes = sandboxes.map(|(state, count)| (state.to_owned(), count));
    states(&mut registry, "sandboxes", "Sandboxes by state.", sandboxes);
    gauge(
        &mut registry,
        "sandbox_starts",
        "Sandboxes started since the start.",
        hands.started,
    );
    gauge(
        &mut registry,
        "sandbox_failures",
        "Starts of sandboxes that failed.",
        hands.failed,
    );
    Ok(text(&registry))
}

/// The counts alone.
#[cfg(test)]
pub(super) fn counts(metrics: &Metrics) -> String {
    text(&registry(metrics))
}

fn registry(metrics: &Metrics) -> Registry {
    let mut to = Registry::with_prefix("oc");
    to.register(
        "http_requests",
        "Requests answered.",
        metrics.requests.clone(),
    );
    to.register(
        "http_request_seconds",
        "Seconds until an answer began.",
        metrics.request_seconds.clone(),
    );
    to.register(
        "events_appended",
        "Facts appended by this node.",
        metrics.events_appended.clone(),
    );
    to.register(
        "sessions_running",
        "Sessions that run on this node.",
        metrics.sessions_running.clone(),
    );
    to.register(
        "stream_subscribers",
        "Event streams open on this node.",
        metrics.stream_subscribers.clone(),
    );
    to.register(
        "model_calls",
        "Model calls that ended, retries included.",
        metrics.model_calls.clone(),
    );
    to.register(
        "model_retries",
        "Model calls tried again.",
        metrics.model_retries.clone(),
    );
    to.register(
        "model_tokens",
        "Tokens as the providers report them.",
        metrics.model_tokens.clone(),
    );
    to.register(
        "tool_calls",
        "Tool calls that came to their end.",
        metrics.tool_calls.clone(),
    );
    to
}

fn states(
    to: &mut Registry,
    name: &str,
    help: &str,
    values: impl IntoIterator<Item = (String, u64)>,
) {
    let family = Family::<Named, Gauge>::default();
    for (state, value) in values {
        family.get_or_create(&Named { state }).set(whole(value));
    }
    to.register(name, help, family);
}

fn gauge(to: &mut Registry, name: &str, help: &str, value: u64) {
    let gauge = Gauge::<i64>::default();
    gauge.set(whole(value));
    to.register(name, help, gauge);
}

fn whole(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn text(registry: &Registry) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = encode(&mut text, registry);
    text
}
