//! A rehearsal server on a real port, and models that talk to it.

use std::sync::Arc;
use std::time::Duration;

use brain::{Ask, BrainConfig, Delta, Deltas, ModelError, Models, Patience, Purpose};
use reqwest::Client;
use secrecy::SecretString;
use serde_json::Value;
use session::tool::{self, Tool};
use session::transcript::ToolResult;
use session::{Item, ModelRef, Reply};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Both providers, as model references that take thinking and ones that do not.
pub const MODELS: [&str; 4] = [
    "anthropic/claude-opus-5-5",
    "anthropic/claude-haiku-4-5",
    "openai/gpt-5.5",
    "openai/gpt-4.1",
];

/// Those of them that think.
pub const THINKING: [&str; 2] = [MODELS[0], MODELS[2]];

/// The key every test sends.
pub const KEY: &str = "sk-test-0123456789";

pub struct Hall {
    pub url: String,
    pub models: Models,
    http: Client,
    server: JoinHandle<()>,
}

impl Hall {
    pub async fn open() -> Self {
        Self::with(patience()).await
    }

    pub async fn with(patience: Patience) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            axum::serve(listener, brain::rehearse_router())
                .await
                .unwrap();
        });
        Self {
            models: models(&url, patience),
            http: client(),
            url,
            server,
        }
    }

    pub async fn think(&self, ask: Ask) -> (Result<Reply, ModelError>, Vec<Delta>) {
        think(&self.models, ask).await
    }

    /// Plays a conversation to its end. Each call gets `result of <its id>`.
    pub async fn converse(&self, model: &str, text: &str) -> (Vec<Item>, Vec<Arc<Reply>>) {
        let mut items = vec![user(1, text)];
        let mut replies = Vec::new();
        loop {
            let (reply, _) = self.think(ask(model, items.clone())).await;
            let reply = Arc::new(reply.unwrap());
            replies.push(reply.clone());
            items.push(Item::Assistant(reply.clone()));
            items.extend(reply.calls.iter().map(|call| result(&call.id)));
            if reply.calls.is_empty() {
                return (items, replies);
            }
        }
    }

    /// All requests the server got.
    pub async fn log(&self) -> Vec<Value> {
        self.get("/__log").await.as_array().unwrap().clone()
    }

    /// What stands there.
    pub async fn get(&self, path: &str) -> Value {
        let sent = self.http.get(format!("{}{path}", self.url)).send().await;
        serde_json::from_str(&sent.unwrap().text().await.unwrap()).unwrap()
    }

    /// A request that no client of ours would send.
    pub async fn post(&self, path: &str, headers: &[(&str, &str)], body: Value) -> (u16, Value) {
        let mut request = self
            .http
            .post(format!("{}{path}", self.url))
            .body(body.to_string());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        (
            status,
            serde_json::from_str(&text).unwrap_or(Value::String(text)),
        )
    }
}

impl Drop for Hall {
    fn drop(&mut self) {
        self.server.abort();
    }
}

pub async fn think(models: &Models, ask: Ask) -> (Result<Reply, ModelError>, Vec<Delta>) {
    let (deltas, mut said) = Deltas::new(1024);
    let reply = models.for_model(&ask.model).think(ask, deltas).await;
    let mut told = Vec::new();
    while let Some(delta) = said.recv().await {
        told.push(delta);
    }
    (reply, told)
}

pub fn models(url: &str, patience: Patience) -> Models {
    let config = BrainConfig {
        anthropic_base_url: url.to_owned(),
        openai_base_url: format!("{url}/v1"),
        patience,
        ..BrainConfig::default()
    };
    Models::new(config).unwrap()
}

/// Patience as short as real connections allow.
pub fn patience() -> Patience {
    Patience {
        attempts: 3,
        backoff: Duration::from_millis(2),
        ..Patience::default()
    }
}

pub fn ask(model: &str, items: Vec<Item>) -> Ask {
    Ask {
        model: ModelRef::parse(model, "native").unwrap(),
        system: "You are a test.".into(),
        tools: tool::native().into(),
        items,
        max_tokens: 1000,
        key: Some(SecretString::from(KEY)),
        session: "session_1".into(),
        purpose: Purpose::Turn,
        metered: false,
    }
}

pub fn script(replies: &Value) -> String {
    format!("play\n@steps\n{replies}")
}

pub fn user(seq: u64, text: &str) -> Item {
    Item::User {
        seq,
        text: text.into(),
    }
}

pub fn result(call: &str) -> Item {
    Item::Result(ToolResult {
        call: call.into(),
        text: format!("result of {call}"),
        is_error: false,
    })
}

/// One tool that no change of the real ones touches.
pub fn one_tool() -> Arc<[Tool]> {
    Arc::new([Tool {
        name: "bash",
        kind: tool::Kind::Exec,
        description: "Runs a command.",
        schema: serde_json::json!({ "type": "object", "properties": { "command": { "type": "string" } } }),
    }])
}

fn client() -> Client {
    // The first test to come here sets it for all.
    let _ = rustls::crypto::ring::default_provider().install_default();
    Client::builder().build().unwrap()
}
