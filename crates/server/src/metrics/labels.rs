//! What tells counts of one kind apart.

use prometheus_client::encoding::EncodeLabelSet;

/// An answered request.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Answer {
    pub method: &'static str,
    /// The route's template, or `none`.
    pub route: String,
    pub status: u16,
}

/// A route.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Route {
    pub method: &'static str,
    pub route: String,
}

/// A model call that ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Model {
    pub provider: &'static str,
    /// `ok`, or the kind of the error.
    pub outcome: String,
}

/// Something of a provider.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Kind {
    pub provider: &'static str,
    pub kind: &'static str,
}

/// A tool call that ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Call {
    pub tool: &'static str,
    pub outcome: &'static str,
}

/// A state by name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Named {
    pub state: String,
}
