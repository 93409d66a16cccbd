//! A run about budgets: sessions of two agents spend what they share, until
//! nothing is left, on a server that is killed again and again meanwhile. Right
//! before, they are asked more than there is of any cap: what they would cost
//! then tells nothing of the calls that the crash cuts. What they used is read from the meter of the provider, which knows nothing of
//! budgets, and is held against every cap in tokens and in money.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::error::DrillError;
use super::judge::Counts;
use super::plan::Trial;
use super::provider::Provider;
use super::seed::Seed;
use super::stage::Stage;
use super::trial::Outcome;

/// The model they think with: it has a list price, and shows all it says.
const MODEL: &str = "anthropic/claude-haiku-4-5";
/// Nano-dollars of a token of it, read and written.
const PRICE: (u64, u64) = (1_000, 5_000);
/// How often the server is killed.
const KILLS: u64 = 3;
/// How long until all is spent and everybody rests.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(25);
/// Tokens that all of them together may use.
const ORG: u64 = 9_000;
/// Tokens of the first agent, and dollars of the second.
const AGENT: (u64, f64) = (4_000, 0.01);

/// Tokens of a question that is larger than any cap.
const TOO_LARGE: u64 = 10_000;

/// A session that spends.
struct Spender {
    name: String,
    agent: usize,
    limits: Value,
    input: String,
    id: Option<String>,
}

/// What was used, by the meter of the provider.
#[derive(Debug, Default, Clone, Copy)]
struct Used {
    tokens: u64,
    nanos: u64,
}

impl Used {
    fn add(&mut self, entry: &Value) {
        let count = |name: &str| entry["used"][name].as_u64().unwrap_or(0);
        let (read, written) = (count("input_tokens"), count("output_tokens"));
        self.tokens += read + written;
        self.nanos += read * PRICE.0 + written * PRICE.1;
    }
}

/// Holds the run.
pub(super) async fn run(stage: &mut Stage, trial: &Trial) -> Result<Outcome, DrillError> {
    let provider = Provider::open().await?;
    let options = options(&provider);
    stage.launch(&options).await?;
    let until = Instant::now() + PATIENCE;
    let mut spenders = cast(trial.number, &trial.seed);
    let agents = agents(stage, until).await?;
    for spender in &mut spenders {
        spender.start(stage, &agents, until).await;
    }
    let mut kills = Kills::new(trial);
    let rested = kills
        .until_rest(stage, &provider, &options, &spenders, until)
        .await?;
    let mut findings = Vec::new();
    if !rested {
        findings.push(("all".to_owned(), "they did not come to rest".to_owned()));
    }
    let mut counts = Counts {
        stuck: findings.len() as u64,
        ..Counts::default()
    };
    let log = heard(&provider).await?;
    for (of, tokens, usd, used) in caps(&spenders, &log) {
        if let Some((over, words)) = overshoot(tokens, usd, used) {
            counts.overshoot += over;
            findings.push((of, words));
        }
    }
    Ok(Outcome {
        number: trial.number,
        fault: trial.fault,
        at: trial.at,
        reached: kills.done == KILLS,
        counts,
        recovered: kills.recovered,
        findings,
    })
}

fn options(provider: &Provider) -> Vec<(&'static str, String)> {
    vec![
        ("OC_ANTHROPIC_BASE_URL", provider.url.clone()),
        ("ANTHROPIC_API_KEY", "sk-drill".to_owned()),
        ("OC_ORG_TOKENS_PER_DAY", ORG.to_string()),
        ("OC_MAX_OUTPUT_TOKENS", "200".to_owned()),
        ("OC_SANDBOX_WARM", "0".to_owned()),
    ]
}

/// Two agents: the sessions of one share tokens, those of the other money.
async fn agents(stage: &Stage, until: Instant) -> Result<[String; 2], DrillError> {
    let tokens = json!({ "tokens_per_day": AGENT.0 });
    let money = json!({ "usd_per_day": AGENT.1 });
    let mut made = [String::new(), String::new()];
    for (at, caps) in [tokens, money].into_iter().enumerate() {
        let name = format!("spends {at}");
        let body =
            json!({ "name": name, "model": MODEL, "prompt": "Play the script.", "caps": caps });
        let line = stage.line();
        let asked = line.ask(Method::POST, "/v3/agents", Some(body), Some(&name), until);
        let answer = asked.await;
        let id = answer.and_then(|answer| answer.value["id"].as_str().map(str::to_owned));
        made[at] = id.ok_or_else(|| DrillError::Child("no agent could be made".to_owned()))?;
    }
    Ok(made)
}

/// Six sessions, two of them with a limit of their own.
fn cast(run: u32, seed: &Seed) -> Vec<Spender> {
    (0..6u64)
        .map(|n| {
            let mut seed = seed.part(100 + n);
            let limits = match n {
                0 => json!({ "tokens": 400 }),
                1 => json!({ "usd": 0.001 }),
                _ => json!({}),
            };
            let name = format!("r{run}p{n}");
            Spender {
                input: script(&name, &mut seed),
                agent: usize::from(n % 2 == 1),
                limits,
                name,
                id: None,
            }
        })
        .collect()
}

/// More answers than any budget allows, each given piece by piece.
fn script(name: &str, seed: &mut Seed) -> String {
    let steps = (0..40).map(|n| {
        json!({
            "say": format!("{name} {n} ").repeat(12),
            "chunks": seed.between(4, 12),
            "chunk_ms": seed.between(2, 15),
            "tokens": { "in": seed.between(20, 60), "out": seed.between(20, 60) },
            "call": [{ "tool": "say", "args": { "text": format!("{name} says {n}") } }],
        })
    });
    let steps: Value = steps.collect();
    format!("A drill: {name} plays this.\n@steps\n{steps}")
}

impl Spender {
    async fn start(&mut self, stage: &Stage, agents: &[String; 2], until: Instant) {
        let body =
            json!({ "agent": agents[self.agent], "input": self.input, "limits": self.limits });
        let line = stage.line();
        let asked = line.ask(
            Method::POST,
            "/v3/sessions",
            Some(body),
            Some(&self.name),
            until,
        );
        let made = asked.await;
        self.id = made.and_then(|made| made.value["session"]["id"].as_str().map(str::to_owned));
    }

    /// Says something to it.
    async fn told(&self, stage: &Stage, text: &str, once: &str, until: Instant) {
        let Some(id) = &self.id else { return };
        let (path, body) = (
            format!("/v3/sessions/{id}/messages"),
            json!({ "text": text }),
        );
        let key = format!("{} {once}", self.name);
        let line = stage.line();
        // One that did not hear it plays on, which is as good.
        let _ = line
            .ask(Method::POST, &path, Some(body), Some(&key), until)
            .await;
    }

    /// A question that no budget covers.
    fn too_large(&self) -> String {
        let step = json!([{ "say": "never", "tokens": { "in": TOO_LARGE, "out": 10 } }]);
        format!("A drill: {} plays this.\n@steps\n{step}", self.name)
    }

    /// Whether it rests because its budget is spent.
    async fn rests(&self, stage: &Stage, until: Instant) -> bool {
        let Some(id) = &self.id else { return false };
        let now = stage.line().get(&format!("/v3/sessions/{id}"), until).await;
        now.is_some_and(|now| now["status"] == "idle")
    }
}

/// The server is killed when the provider was asked so often again.
struct Kills {
    done: u64,
    every: u64,
    next: u64,
    seed: Seed,
    /// Whether they are still to be asked for something they can pay.
    owed: bool,
    /// Since when, and after how many questions, a server starts anew.
    moving: Option<(Instant, u64)>,
    recovered: Option<Duration>,
}

impl Kills {
    fn new(trial: &Trial) -> Self {
        Self {
            done: 0,
            every: trial.at,
            next: trial.at,
            seed: trial.seed.part(200),
            owed: false,
            moving: None,
            recovered: None,
        }
    }

    /// Waits until all rest, and kills meanwhile; false if they do not.
    async fn until_rest(
        &mut self,
        stage: &mut Stage,
        provider: &Provider,
        options: &[(&str, String)],
        spenders: &[Spender],
        until: Instant,
    ) -> Result<bool, DrillError> {
        loop {
            let asked = heard(provider).await?.len() as u64;
            if let Some((since, _)) = self.moving.take_if(|(_, before)| asked > *before) {
                self.recovered = self.recovered.max(Some(since.elapsed()));
            }
            if self.done < KILLS && asked >= self.next && !self.owed {
                self.kill(stage, options, spenders, until).await?;
                self.next = asked + self.every;
                self.moving = Some((Instant::now(), asked));
                continue;
            }
            self.pay(stage, spenders, until).await;
            let all = !self.owed && rest(stage, spenders, until).await;
            if all || Instant::now() >= until {
                return Ok(all);
            }
            sleep(LOOK).await;
        }
    }

    /// Kills the server right after all were asked for more than there is.
    async fn kill(
        &mut self,
        stage: &mut Stage,
        options: &[(&str, String)],
        spenders: &[Spender],
        until: Instant,
    ) -> Result<(), DrillError> {
        self.done += 1;
        for spender in spenders {
            let (text, once) = (spender.too_large(), format!("dear {}", self.done));
            spender.told(stage, &text, &once, until).await;
        }
        self.owed = true;
        stage.launch(options).await
    }

    /// Lets them go on, once they rest.
    async fn pay(&mut self, stage: &Stage, spenders: &[Spender], until: Instant) {
        if !self.owed || !rest(stage, spenders, until).await {
            return;
        }
        self.owed = false;
        for spender in spenders {
            let text = script(&spender.name, &mut self.seed);
            let once = format!("cheap {}", self.done);
            spender.told(stage, &text, &once, until).await;
        }
    }
}

/// Whether all of them rest.
async fn rest(stage: &Stage, spenders: &[Spender], until: Instant) -> bool {
    let mut all = true;
    for spender in spenders {
        all = all && spender.rests(stage, until).await;
    }
    all
}

/// What the provider was asked for answers, oldest first.
async fn heard(provider: &Provider) -> Result<Vec<Value>, DrillError> {
    let odd = |error| DrillError::Tool(format!("the log of the rehearsal model: {error}"));
    let log: Vec<Value> = serde_json::from_str(&provider.heard().await?).map_err(odd)?;
    let asks = |entry: &Value| {
        entry["path"]
            .as_str()
            .is_some_and(|path| path.ends_with("/messages"))
    };
    Ok(log.into_iter().filter(asks).collect())
}

/// Every cap there is, and what was used of it.
fn caps(spenders: &[Spender], log: &[Value]) -> Vec<(String, Option<u64>, Option<f64>, Used)> {
    let used = |whose: &dyn Fn(&Spender) -> bool| {
        let mut used = Used::default();
        for entry in log {
            let body = entry["body"].to_string();
            let by = |spender: &&Spender| body.contains(&format!("{} plays this", spender.name));
            if spenders.iter().find(by).is_some_and(whose) {
                used.add(entry);
            }
        }
        used
    };
    let of_agent = |at: usize| used(&|spender| spender.agent == at);
    let mut caps = vec![
        ("the org".to_owned(), Some(ORG), None, used(&|_| true)),
        ("agent 0".to_owned(), Some(AGENT.0), None, of_agent(0)),
        ("agent 1".to_owned(), None, Some(AGENT.1), of_agent(1)),
    ];
    for spender in spenders {
        let (tokens, usd) = (
            spender.limits["tokens"].as_u64(),
            spender.limits["usd"].as_f64(),
        );
        let name = spender.name.clone();
        let own = used(&|other| other.name == name);
        caps.push((spender.name.clone(), tokens, usd, own));
    }
    caps
}

/// By how much a cap was passed, in tokens or thousandths of a cent, and in words.
fn overshoot(tokens: Option<u64>, usd: Option<f64>, used: Used) -> Option<(u64, String)> {
    let nanos = usd.and_then(session::Usd::dollars).map(|usd| usd.0);
    let over = |cap: Option<u64>, used: u64| cap.filter(|cap| used > *cap).map(|cap| (cap, used));
    if let Some((cap, used)) = over(tokens, used.tokens) {
        let words = format!("the provider counts {used} tokens of a cap of {cap}");
        return Some((used - cap, words));
    }
    let (cap, used) = over(nanos, used.nanos)?;
    let words = format!("the provider counts {used} nano-dollars of a cap of {cap}");
    Some(((used - cap).div_ceil(10_000), words))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, read: u64, written: u64) -> Value {
        json!({ "body": { "messages": [format!("A drill: {name} plays this.")] },
            "used": { "input_tokens": read, "output_tokens": written } })
    }

    fn over(log: &[Value]) -> Vec<(String, u64)> {
        let spenders = cast(1, &Seed::new(1));
        let caps = caps(&spenders, log).into_iter();
        caps.filter_map(|(of, tokens, usd, used)| Some((of, overshoot(tokens, usd, used)?.0)))
            .collect()
    }

    #[test]
    fn every_level_is_held_against_what_the_provider_counts() {
        assert_eq!(over(&[entry("r1p0", 300, 100)]), []);
        let one = over(&[entry("r1p0", 300, 101)]);
        assert_eq!(one, [("r1p0".to_owned(), 1)]);
        let agent = over(&[entry("r1p2", 3000, 0), entry("r1p4", 1001, 0)]);
        assert_eq!(agent, [("agent 0".to_owned(), 1)]);
        let money = over(&[entry("r1p3", 0, 2001)]);
        assert_eq!(
            money,
            [("agent 1".to_owned(), 1)],
            "5,000 nanos are rounded up"
        );
        let own = over(&[entry("r1p1", 1, 200)]);
        assert_eq!(own, [("r1p1".to_owned(), 1)]);
        let org = over(&[entry("r1p2", 4000, 0), entry("r1p3", 5001, 0)]);
        assert_eq!(org, [("the org".to_owned(), 1)]);
    }

    #[test]
    fn every_script_would_pass_every_cap() {
        for seed in 0..9 {
            for spender in cast(1, &Seed::new(seed)) {
                let steps = spender.input.matches("\"tokens\"").count();
                assert!(steps * 40 > 1500, "{}", spender.name);
            }
        }
    }
}
