//! What is counted, and the page that shows it. Counts are kept here as things
//! happen; states are asked of the parts when somebody looks.
//!
//! Labels hold only what has few values: routes by their template, providers,
//! tools we have; never an id, never text from outside.

mod labels;
mod page;

use std::time::Duration;

use brain::ModelError;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use session::fact::{Outcome, Receipt};
use session::{Provider, Reply, tool};

use labels::{Answer, Call, Kind, Model, Named, Route};
pub use page::page;

/// Buckets of request times, in seconds.
const BUCKETS: [f64; 12] = [
    0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0,
];

/// Everything this node counts.
#[derive(Debug)]
pub struct Metrics {
    requests: Family<Answer, Counter>,
    request_seconds: Family<Route, Histogram>,
    events_appended: Counter,
    sessions_running: Gauge,
    stream_subscribers: Gauge,
    model_calls: Family<Model, Counter>,
    model_retries: Family<Kind, Counter>,
    model_tokens: Family<Kind, Counter>,
    tool_calls: Family<Call, Counter>,
    deliveries: Family<Named, Counter>,
    schedule_runs: Family<Named, Counter>,
}

/// A stream that is open; counted until dropped.
#[derive(Debug)]
pub struct Subscriber(Gauge);

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            request_seconds: Family::new_with_constructor(|| Histogram::new(BUCKETS)),
            events_appended: Counter::default(),
            sessions_running: Gauge::default(),
            stream_subscribers: Gauge::default(),
            model_calls: Family::default(),
            model_retries: Family::default(),
            model_tokens: Family::default(),
            tool_calls: Family::default(),
            deliveries: Family::default(),
            schedule_runs: Family::default(),
        }
    }
}

impl Metrics {
    /// A request was answered.
    pub fn request(&self, method: &str, route: &str, status: u16, took: Duration) {
        let answer = Answer {
            method: known_method(method),
            route: route.to_owned(),
            status,
        };
        self.requests.get_or_create(&answer).inc();
        let route = Route {
            method: answer.method,
            route: answer.route,
        };
        self.request_seconds
            .get_or_create(&route)
            .observe(took.as_secs_f64());
    }

    /// Facts were appended.
    pub fn appended(&self, events: usize) {
        self.events_appended.inc_by(events as u64);
    }

    /// So many sessions run on this node now.
    pub fn running(&self, sessions: usize) {
        self.sessions_running
            .set(i64::try_from(sessions).unwrap_or(i64::MAX));
    }

    /// Somebody began to follow a stream; keep what this returns as long.
    #[must_use]
    pub fn subscriber(&self) -> Subscriber {
        self.stream_subscribers.inc();
        Subscriber(self.stream_subscribers.clone())
    }

    /// A model call ended, its retries included.
    pub fn model_call(&self, provider: Provider, ended: &Result<Reply, ModelError>) {
        let outcome = match ended {
            Ok(_) => "ok".to_owned(),
            Err(error) => format!("{:?}", error.kind).to_lowercase(),
        };
        self.model_calls
            .get_or_create(&Model {
                provider: provider.name(),
                outcome,
            })
            .inc();
        let Some(tokens) = ended.as_ref().ok().and_then(|reply| reply.usage) else {
            return;
        };
        let kinds = [
            ("input", tokens.input),
            ("output", tokens.output),
            ("cache_write", tokens.cache_write),
            ("cache_read", tokens.cache_read),
        ];
        for (kind, count) in kinds {
            self.model_tokens
                .get_or_create(&Kind {
                    provider: provider.name(),
                    kind,
                })
                .inc_by(count);
        }
    }

    /// A model call is tried again.
    pub fn model_retry(&self, provider: Provider) {
        self.model_retries
            .get_or_create(&Kind {
                provider: provider.name(),
                kind: "retry",
            })
            .inc();
    }

    /// An attempt to deliver a webhook was made, or one was given up.
    pub fn delivery(&self, state: &'static str) {
        let state = state.to_owned();
        self.deliveries.get_or_create(&Named { state }).inc();
    }

    /// A schedule was fired, and this became of it.
    pub fn schedule(&self, fired: store::Fired) {
        let state = fired.name().to_owned();
        self.schedule_runs.get_or_create(&Named { state }).inc();
    }

    /// A tool call came to its end.
    pub fn tool_call(&self, receipt: &Receipt) {
        let outcome = match receipt.outcome {
            Outcome::Done { .. } if receipt.result.is_error => "failed",
            Outcome::Done { .. } => "ok",
            Outcome::Killed { .. } => "killed",
            Outcome::NotRun => "not_run",
            Outcome::Indeterminate => "indeterminate",
        };
        let tool = tool::NAMES
            .into_iter()
            .find(|name| *name == receipt.tool)
            .unwrap_or("other");
        self.tool_calls.get_or_create(&Call { tool, outcome }).inc();
    }
}

/// The method, if it is one we route: others could be any text.
fn known_method(method: &str) -> &'static str {
    let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    known
        .into_iter()
        .find(|name| *name == method)
        .unwrap_or("OTHER")
}

#[cfg(test)]
mod tests {
    use super::*;
    use session::transcript::ToolResult;

    fn receipt(tool: &str, outcome: Outcome, is_error: bool) -> Receipt {
        Receipt {
            tool: tool.to_owned(),
            command: String::new(),
            result: ToolResult {
                call: "c".to_owned(),
                text: String::new(),
                is_error,
            },
            outcome,
            output: None,
            bytes: 0,
            duration_ms: None,
            known: None,
            repeat: None,
        }
    }

    #[test]
    fn what_a_model_invents_is_no_label() {
        let metrics = Metrics::default();
        metrics.tool_call(&receipt("rm -rf /", Outcome::NotRun, true));
        metrics.tool_call(&receipt("bash", Outcome::Done { exit_code: Some(1) }, true));
        metrics.request("BREW", "none", 404, Duration::from_millis(1));
        let text = page::counts(&metrics);
        assert!(
            text.contains("oc_tool_calls_total{tool=\"other\",outcome=\"not_run\"} 1"),
            "{text}"
        );
        assert!(
            text.contains("oc_tool_calls_total{tool=\"bash\",outcome=\"failed\"} 1"),
            "{text}"
        );
        assert!(
            text.contains("method=\"OTHER\"") && !text.contains("BREW"),
            "{text}"
        );
    }

    #[test]
    fn a_subscriber_is_counted_until_it_is_dropped() {
        let metrics = Metrics::default();
        let (one, two) = (metrics.subscriber(), metrics.subscriber());
        drop(one);
        assert!(page::counts(&metrics).contains("oc_stream_subscribers 1\n"));
        drop(two);
        assert!(page::counts(&metrics).contains("oc_stream_subscribers 0\n"));
    }
}
