//! The page of `/metrics`: counts as they are, and the parts' states of this
//! moment. It is made anew for every look, so nothing stale can stand on it.

use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use store::{Sabotage, leaked};

use super::Metrics;
use super::labels::Named;
use crate::app::App;
use crate::clock;

/// The page.
///
/// # Errors
/// If the store cannot be asked.
pub async fn page(app: &App) -> Result<String, store::Error> {
    let mut to = registry(&app.metrics);
    of_the_store(&mut to, app.store.stats().await?);
    of_the_outbox(&mut to, app.store.waiting_deliveries().await?);
    of_the_gate(&mut to, &app.gate.stats());
    of_the_hands(&mut to, &app.hands.stats());
    if let Some(value) = leaked(Sabotage::LeakMetric) {
        states(&mut to, "leak", "A secret", [(value, 1)]);
    }
    Ok(text(&to))
}

fn of_the_store(to: &mut Registry, stats: store::Stats) {
    states(to, "sessions", "Sessions by status", stats.sessions);
    gauge(
        to,
        "store_due",
        "Sessions that somebody should drive",
        stats.due,
    );
    gauge(
        to,
        "store_queued",
        "Writes that wait for the database",
        stats.queued,
    );
    gauge(
        to,
        "store_followed",
        "Sessions that somebody follows here",
        stats.followed,
    );
    gauge(
        to,
        "store_unburied",
        "Erased sessions of which something is still to be taken away",
        stats.unburied,
    );
    count(to, "store_commits", "Commits", stats.commits);
    let help = "Writes in those commits; divided by the commits, the group size";
    count(to, "store_writes", help, stats.writes);
}

fn of_the_outbox(to: &mut Registry, waiting: store::Waiting) {
    let help = "Webhooks to be delivered, or tried again";
    gauge(to, "deliveries_pending", help, waiting.pending);
    let age = waiting.oldest.map_or(0, |at| clock::now().0 - at.0);
    let help = "Age of the oldest of them in seconds";
    let seconds = u64::try_from(age / 1000).unwrap_or(0);
    gauge(to, "deliveries_oldest_seconds", help, seconds);
}

fn of_the_gate(to: &mut Registry, gate: &egress::Stats) {
    let family = Family::<Named, Counter>::default();
    for (reason, refused) in &gate.refused {
        let state = format!("{reason:?}").to_lowercase();
        family.get_or_create(&Named { state }).inc_by(*refused);
    }
    to.register("gate_refused", "Connections refused by reason", family);
    gauge(to, "gate_open", "Connections open now", gate.open);
    count(to, "gate_allowed", "Connections made", gate.allowed);
    let help = "Secrets put in the place of their tokens, once for each connection";
    count(to, "gate_granted", help, gate.granted);
    let help = "Connections and names that could not be reached";
    count(to, "gate_unreachable", help, gate.unreachable);
    let help = "Connections and names that took too long";
    count(to, "gate_timed_out", help, gate.timed_out);
    count(
        to,
        "gate_bytes_in",
        "Bytes that came from servers",
        gate.bytes_in,
    );
    count(
        to,
        "gate_bytes_out",
        "Bytes sent to servers",
        gate.bytes_out,
    );
}

fn of_the_hands(to: &mut Registry, hands: &hands::Stats) {
    let states_of = [
        ("owned", hands.alive.saturating_sub(hands.warm)),
        ("warm", hands.warm),
        ("starting", hands.starting),
    ];
    let each = states_of.map(|(state, count)| (state.to_owned(), count as u64));
    states(to, "sandboxes", "Sandboxes by state", each);
    count(to, "sandbox_starts", "Sandboxes started", hands.started);
    count(
        to,
        "sandbox_failures",
        "Starts of sandboxes that failed",
        hands.failed,
    );
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
        "Requests answered",
        metrics.requests.clone(),
    );
    to.register(
        "schedule_runs",
        "Firings of schedules by what became of them",
        metrics.schedule_runs.clone(),
    );
    to.register(
        "http_request_seconds",
        "Seconds until an answer began",
        metrics.request_seconds.clone(),
    );
    to.register(
        "events_appended",
        "Facts appended by this node",
        metrics.events_appended.clone(),
    );
    to.register(
        "sessions_running",
        "Sessions that run on this node",
        metrics.sessions_running.clone(),
    );
    to.register(
        "stream_subscribers",
        "Event streams open on this node",
        metrics.stream_subscribers.clone(),
    );
    to.register(
        "model_calls",
        "Model calls that ended, retries included",
        metrics.model_calls.clone(),
    );
    to.register(
        "model_retries",
        "Model calls tried again",
        metrics.model_retries.clone(),
    );
    to.register(
        "model_tokens",
        "Tokens as the providers report them",
        metrics.model_tokens.clone(),
    );
    to.register(
        "tool_calls",
        "Tool calls that came to their end",
        metrics.tool_calls.clone(),
    );
    to.register(
        "delivery_attempts",
        "Attempts to deliver webhooks by outcome, and dead letters",
        metrics.deliveries.clone(),
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

fn count(to: &mut Registry, name: &str, help: &str, value: u64) {
    to.register(name, help, ConstCounter::new(value));
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
